"""The network: what generation needs of one, and DeepSeek-V2 in plain torch."""
