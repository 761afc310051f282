"""Print the whole account: ``python -m airan_market.analysis.calibration``."""

import sys

from airan_market.analysis.calibration.account import calibrate
from airan_market.analysis.calibration.text import account_text

if __name__ == "__main__":
    sys.stderr.write("fitting and profiling: this takes some two minutes\n")
    sys.stdout.write(account_text(calibrate()) + "\n")
