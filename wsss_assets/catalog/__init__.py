"""The catalogue: what map sets there are, what made them, and what was published about them."""
