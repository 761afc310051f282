from .claim import Claim as Claim
from .published import Gain as Gain
from .published import Level as Level
from .report import headline as headline
from .report import reproduce_into as reproduce_into
from .verdicts import verdict_rows as verdict_rows
