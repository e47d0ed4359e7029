"""The records of rows, and the events of the log. Pure."""
