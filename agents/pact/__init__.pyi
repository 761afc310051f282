from .market import PactMarket as PactMarket
from .outcome import PactOutcome as PactOutcome
from .outcome import solve_pact as solve_pact
from .run.model import PactSimulation as PactSimulation
from .run.model import PactTables as PactTables
