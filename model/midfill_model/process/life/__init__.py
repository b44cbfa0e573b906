"""The engine's life: whether anybody needs it, and who comes after it."""
