"""Which pieces of other files count for a cursor, and in which order they are sent."""
