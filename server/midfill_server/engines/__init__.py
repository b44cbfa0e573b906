"""Which engine answers, how it is, and how it is spoken to."""
