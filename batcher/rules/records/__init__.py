"""What is written down about rows. Pure."""
