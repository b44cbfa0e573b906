"""What came of holes, as figures."""
