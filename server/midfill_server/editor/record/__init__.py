"""What became of requests and items."""
