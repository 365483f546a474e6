"""Of what kinds errors are, and where."""
