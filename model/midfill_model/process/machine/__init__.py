"""What the machine lets this process have: CPUs and memory, a container's limits, too."""
