"""What `midfill doctor` asks of the engine's side: libraries that really run, model files that are whole."""
