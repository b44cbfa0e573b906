"""Many tokens at once on a GPU."""
