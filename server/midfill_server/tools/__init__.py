"""The commands that a person runs, each through the real server or the real engine."""
