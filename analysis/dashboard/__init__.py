"""A market on a live page: settings, shocks and forks while it is played, figures as it goes."""
