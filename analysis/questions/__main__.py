"""Answer the three questions: ``python -m analysis.questions``."""

import sys

from analysis.questions.command import main

if __name__ == "__main__":
    sys.exit(main())
