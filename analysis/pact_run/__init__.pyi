from .report import write_report as write_report
from .summary import summarise as summarise
from .summary import type_table as type_table
