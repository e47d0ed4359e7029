"""How fast to send requests, and when to stop the job. Pure."""
