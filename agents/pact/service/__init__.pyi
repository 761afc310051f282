from .in_ran import RanService as RanService
from .in_ran import ran_service as ran_service
from .satisfaction import Satisfaction as Satisfaction
from .satisfaction import estimate as estimate
from .satisfaction import read_outcomes as read_outcomes
from .services import Services as Services
from .services import latency_of as latency_of
from .services import services_of as services_of
