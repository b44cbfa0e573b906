"""Whether an item fits its place, and ways to mend one that does not: judges over brackets alone."""
