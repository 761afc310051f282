"""What Table I and the two default totals say of the values that the paper leaves out."""
