"""What a row is, and what becomes of it. Pure."""
