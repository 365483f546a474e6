"""The explorer: a report as a page that re-makes labels while thresholds are moved."""
