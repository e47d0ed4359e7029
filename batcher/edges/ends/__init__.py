"""The ends of a job's executions: a database beside the checkpoint, which `batcher watch` fills and others read."""

from batcher.edges.ends.schema import database_of
from batcher.edges.ends.store import EndStore, Followed, Known, Settled, open_ends, reading_ends

__all__ = ["EndStore", "Followed", "Known", "Settled", "database_of", "open_ends", "reading_ends"]
