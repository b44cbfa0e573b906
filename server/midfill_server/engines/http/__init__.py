"""HTTP to an engine: a connection a stream, the way there, server-sent events."""
