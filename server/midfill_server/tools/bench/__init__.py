"""`midfill bench`: the speed, as an editor and as the network sees it."""
