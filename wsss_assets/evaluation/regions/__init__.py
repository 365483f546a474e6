"""What maps find where a reference finds nothing."""
