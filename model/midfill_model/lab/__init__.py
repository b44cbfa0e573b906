"""Measurements and proofs: transformers beside ours, random checkpoints of exact shapes."""
