"""What the service answers and what the answers mean. Pure."""
