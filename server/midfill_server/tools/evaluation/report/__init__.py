"""Figures as they are told: in the terminal, as JSON, as a page."""
