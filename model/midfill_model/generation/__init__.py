"""From a request to text: prompt, cache, decode, search. Knows networks by their protocol alone."""
