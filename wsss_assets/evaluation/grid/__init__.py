"""Every method with every saliency set."""
