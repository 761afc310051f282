from .priority_bound import bound_coefficients as bound_coefficients
from .tandem_bound import tandem_tail_bound as tandem_tail_bound
