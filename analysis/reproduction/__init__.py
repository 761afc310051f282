"""The published tables and figures, ours beside theirs: every claim with a verdict."""
