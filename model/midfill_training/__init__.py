"""How the embedded model was made: corpus → vocabulary → train → evaluate. Not needed to run it."""
