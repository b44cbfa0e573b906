"""A model folder: settings, vocabulary's place, tensors, 4-bit layout, and how it is loaded."""
