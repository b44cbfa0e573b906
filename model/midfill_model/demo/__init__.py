"""The embedded model: weights, tokenizer, model card, and the code that trained it."""
