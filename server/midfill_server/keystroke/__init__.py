"""One keystroke, from a request to the text that is shown. Read `complete.py` first."""
