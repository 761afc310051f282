"""Is the approximation true? Every queueing belief against exact laws and simulation."""
