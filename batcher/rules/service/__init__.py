"""What the service says and what it means. Pure."""
