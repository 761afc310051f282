"""Runs as paths in time: forks and paired differences, how a market settles, one figure of it all."""
