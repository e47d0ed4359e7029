"""What is decided about executions after their start: how they end, when to look, and what is reported."""
