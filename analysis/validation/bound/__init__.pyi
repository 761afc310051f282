from .map import failing_level as failing_level
from .markets import market_rows as market_rows
from .markets import market_table as market_table
from .markets import variants as variants
