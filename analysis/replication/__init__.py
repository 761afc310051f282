"""Independent replications of a station case, and intervals that are honest about bursts."""
