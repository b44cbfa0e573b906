"""A model folder written for other engines: `midfill export`."""
