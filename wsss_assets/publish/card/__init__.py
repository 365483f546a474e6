"""The card of a dataset repository, and what else is generated from the catalogue."""
