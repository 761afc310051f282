"""What the market's world is in every round, and what changes it."""
