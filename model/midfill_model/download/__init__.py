"""`midfill download`: weights from the hub, resumed and checked."""
