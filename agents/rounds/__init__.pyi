from .agents import AgentError as AgentError
from .model import RoundModel as RoundModel
