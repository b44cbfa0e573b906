"""A person who types, and what the screen showed."""
