from .program import invoke as invoke
from .program import main as main
