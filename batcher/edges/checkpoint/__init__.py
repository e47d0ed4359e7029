"""The checkpoint: a SQLite file that stores intents and verdicts, so that the same command can continue a job.

Its protocol follows the life of a row: `sift` (is the row known?), `admit` (its intent is durable before a byte is
sent), `settle` (its verdict is durable after its record). See DESIGN.md for the promises and their tests.
"""

from batcher.edges.checkpoint.controls import Answered
from batcher.edges.checkpoint.reading import COPY, Glance, Reading, glance, reading, reading_of
from batcher.edges.checkpoint.replacement import replacing
from batcher.edges.checkpoint.store import Store
from batcher.edges.checkpoint.writer import Checkpoint, open_checkpoint

__all__ = [
    "COPY",
    "Answered",
    "Checkpoint",
    "Glance",
    "Reading",
    "Store",
    "glance",
    "open_checkpoint",
    "reading",
    "reading_of",
    "replacing",
]
