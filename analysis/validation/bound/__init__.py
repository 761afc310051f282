"""Where the paper's bound holds and where it fails: one station, solved markets."""
