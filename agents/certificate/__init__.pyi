from .certificates import Blocking as Blocking
from .certificates import Certificates as Certificates
from .certificates import certify as certify
from .certificates import check_selection as check_selection
from .deviation import best_deviation as best_deviation
from .menu_search import Deviation as Deviation
from .menu_search import MenuSearch as MenuSearch
from .pure_deviation import best_pure_deviations as best_pure_deviations
