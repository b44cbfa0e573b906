"""How engines are asked for a completion, and how their answers are read: a small file for each way."""
