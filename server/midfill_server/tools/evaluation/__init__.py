"""`midfill eval` and `midfill replay`: how good completions are, measured through the real server and engine.

Nothing on a keystroke's path imports this package.
"""
