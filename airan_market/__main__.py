"""`python -m airan_market` is the command `airan-market`."""

from airan_market.analysis.cli.program import main

main()
