"""Shards: the parts of a job that processes of their own work on. Pure."""
