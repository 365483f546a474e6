"""Pseudo-labels: rules as data, and the code that follows them."""
