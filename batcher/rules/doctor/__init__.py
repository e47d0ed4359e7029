"""What one start shows about a service. Pure."""
