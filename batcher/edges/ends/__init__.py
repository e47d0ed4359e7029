"""The ends of a job's executions: a database beside the checkpoint, which `batcher watch` fills and others read."""

from batcher.edges.ends.schema import database_of
from batcher.edges.ends.store import RENAMES, EndStore, open_ends, reading_ends

__all__ = ["RENAMES", "EndStore", "database_of", "open_ends", "reading_ends"]
