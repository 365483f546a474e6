"""Pictures of results: contact sheets and curves."""
