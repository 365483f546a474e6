"""Scores: confusion matrices, evaluators by name, threshold sweeps."""
