"""The weights as the GPU's kernels read them: from file to layout."""
