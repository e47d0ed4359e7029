"""The checkpoint: the SQLite file that remembers intents and verdicts, so that the same command can carry on.

Its protocol, in the order of a row's life: `sift` (is it known?), `admit` (its intent is durable before a byte
leaves), `settle` (its verdict is durable after its record). See DESIGN.md for the promises and the tests of them.
"""

from batcher.edges.checkpoint.reading import COPY, Glance, Reading, glance, reading, reading_of
from batcher.edges.checkpoint.store import Store
from batcher.edges.checkpoint.writer import Checkpoint, open_checkpoint

__all__ = [
    "COPY",
    "Checkpoint",
    "Glance",
    "Reading",
    "Store",
    "glance",
    "open_checkpoint",
    "reading",
    "reading_of",
]
