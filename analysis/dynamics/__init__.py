"""Runs as paths in time: forks, paired differences, how a market settles, one figure of it all."""
