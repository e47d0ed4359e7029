"""How much is measured: the folder for files, the most rows, the rounds, and whether the figures are judged."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

from figures import Goal, in_turn
from peers import Client, Load, Server
from running import Usage

ALL_ROWS = 5_000_000
MIB = 1 << 20


class Setting(NamedTuple):
    """The folder for files, the maximum number of rows per measurement, and the number of rounds."""

    folder: Path
    most: int
    rounds: int

    def rows(self, wanted: int, connections: int = 1) -> int:
        """Return how many rows to use: at most the maximum, and equally many per connection."""
        rows = min(wanted, self.most)
        return rows - rows % connections

    def at_full_size(self, rows: int, goal: Goal) -> Goal | None:
        """Return the goal, which is meant for `rows` rows. Return None if fewer are used: they prove nothing."""
        return goal if rows <= self.most else None

    def side_by_side(self, server: Server, *sides: tuple[Client, Load]) -> list[list[Usage]]:
        """Run the clients in turn."""
        return in_turn(self.rounds, *(partial(client, self.folder, server, load) for client, load in sides))
