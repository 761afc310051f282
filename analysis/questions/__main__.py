"""Answer the three questions: ``python -m airan_market.analysis.questions``."""

import sys

from airan_market.analysis.questions.command import main

if __name__ == "__main__":
    sys.exit(main())
