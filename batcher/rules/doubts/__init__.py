"""Which execution belongs to a row in doubt. Pure."""
