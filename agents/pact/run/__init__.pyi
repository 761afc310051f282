from .board import PactBoard as PactBoard
from .model import PactSimulation as PactSimulation
from .model import PactTables as PactTables
from .provider import ProviderAgent as ProviderAgent
from .user import PactUser as PactUser
