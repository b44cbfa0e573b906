"""A whole step of one token as one kernel of CUDA C++, where the card and its driver can run it."""
