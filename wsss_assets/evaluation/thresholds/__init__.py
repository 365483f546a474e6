"""What the activation threshold does, and how it can be chosen."""
