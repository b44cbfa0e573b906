"""`midfill load`: how many people a server carries."""
