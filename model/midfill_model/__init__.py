"""The engine: owns the weights and the KV cache, speaks HTTP, knows nothing of editors."""
