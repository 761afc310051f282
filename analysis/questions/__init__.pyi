from .anarchy import anarchy_table as anarchy_table
from .anarchy import price_of_anarchy as price_of_anarchy
from .beliefs import belief_table as belief_table
from .beliefs import play_belief as play_belief
from .realised import violation_rates as violation_rates
from .rent import rent_curve as rent_curve
from .report import answer_into as answer_into
from .report import findings as findings
