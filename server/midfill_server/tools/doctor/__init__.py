"""`midfill doctor`: what works on this machine, what does not, and what to do about it.

Each part looks at one thing and returns findings; what it judges by are plain values, so judging is pure.
"""
