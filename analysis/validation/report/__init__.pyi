from .figures import decomposition as decomposition
from .figures import other_laws as other_laws
from .figures import places_on_map as places_on_map
from .figures import tails as tails
from .summary import sentences as sentences
from .summary import summarise_validation as summarise_validation
from .text import verdicts_text as verdicts_text
