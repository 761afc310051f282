from .audit import AuditPolicy as AuditPolicy
from .audit import optimal_audit as optimal_audit
from .competition import Competition as Competition
from .competition import compete as compete
from .liability import BreakEven as BreakEven
from .liability import LiabilityPoint as LiabilityPoint
from .liability import break_even as break_even
from .liability import liability_point as liability_point
