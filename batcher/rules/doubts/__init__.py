"""Finds the execution that belongs to a row in doubt. Pure."""
