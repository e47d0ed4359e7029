"""What identifies a job. Pure."""
