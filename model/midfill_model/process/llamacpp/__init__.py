"""A .gguf file behind the engine's socket, by llama.cpp in a process of its own. No torch."""
