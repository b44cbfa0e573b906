"""Words that nobody wants: lines again, other people's, other languages', and what does harm."""
