"""The network on a GPU: 4-bit weights, fused per layer. Imported only where there is one, and by tests."""
