"""The progress of a run. Pure."""
