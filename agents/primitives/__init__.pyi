from .population import largest_remainder as largest_remainder
from .population import type_shares as type_shares
from .population import users_by_type as users_by_type
from .primitives import Primitives as Primitives
from .services import Services as Services
from .traffic import Traffic as Traffic
from .traffic import traffic_of as traffic_of
