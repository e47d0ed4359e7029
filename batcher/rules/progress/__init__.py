"""How far a run is. Pure."""
