"""Files, images and what is fetched: the only place that knows how things lie on disk."""
