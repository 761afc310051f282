"""`python -m airan_market` is the command `airan-market`; signals are answered before it loads."""

import sys
import warnings

from airan_market.analysis.process import streams
from airan_market.analysis.process.watchdog import guarded


def main() -> None:
    """Entry point of the console script."""
    streams.settle()
    guarded(_program)


def _program() -> int:
    from airan_market.analysis.cli.program import invoke

    if not sys.warnoptions and "--debug" not in sys.argv:
        warnings.simplefilter("ignore")  # those of libraries are for whoever mends this program
    return invoke(sys.argv[1:])


if __name__ == "__main__":
    main()
