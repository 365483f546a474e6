"""Putting map sets on the Hub: packed, described, released."""
