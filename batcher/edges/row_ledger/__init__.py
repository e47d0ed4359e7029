"""The ledger of rows: a SQLite file in which the jobs of a machine see what the others have started or are sending.

`claim` is durable before the intent in a job's checkpoint, and what became of a row is noted after its verdict there.
See docs/design/ledger.md for the order and what a crash leaves.
"""

from batcher.edges.row_ledger.file import open_file
from batcher.edges.row_ledger.store import Claim, Known, Member, Noted, Store, Totals
from batcher.edges.row_ledger.writer import Ledger, open_ledger

__all__ = ["Claim", "Known", "Ledger", "Member", "Noted", "Store", "Totals", "open_file", "open_ledger"]
