"""The engine's process: its start and end, its HTTP, its JSON."""
