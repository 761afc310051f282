from .journey import Journey as Journey
from .journey import journey_of as journey_of
from .rare_event import RareTail as RareTail
from .rare_event import rare_tail as rare_tail
from .rare_event import splitting as splitting
from .stationary_law import StationaryLaw as StationaryLaw
from .tagged import tagged_tasks as tagged_tasks
