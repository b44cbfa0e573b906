"""What languages look like: their signs, and what kind of place a cursor is in. Pure tables and text."""
