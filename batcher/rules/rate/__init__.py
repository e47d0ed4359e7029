"""How fast to send, and when to stop. Pure."""
