"""What one start shows of a service. Pure."""
