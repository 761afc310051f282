from .claims import judge as judge
from .claims import over_readings as over_readings
from .page import write_report as write_report
from .rivals import rivalry as rivalry
from .tables import liability_table as liability_table
from .tables import menu_table as menu_table
from .tables import service_table as service_table
from .text import pact_text as pact_text
