"""What identifies a row, and what a run does with it. Pure."""
