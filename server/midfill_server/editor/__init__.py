"""What is said to an editor, and what it says: LSP, and the clients that speak it in their own way."""
