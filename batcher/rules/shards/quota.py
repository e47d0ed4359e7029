"""How --limit is divided over shards: they send exactly as many rows together if that number is left. Pure.

Each shard sends the first of its rows that are left, in the order of the list. So the same command again sends the next
ones, as without shards. What a shard cannot use, since it has fewer rows left, is divided among the others.
"""

from __future__ import annotations

from collections.abc import Sequence


def parts(whole: int, among: Sequence[int]) -> dict[int, int]:
    """Divide `whole` equally; the first ones have one more if it cannot be."""
    least, more = divmod(whole, len(among))
    return {shard: least + (position < more) for position, shard in enumerate(among)}


class Quota:
    """How many rows each of `of` shards may send, `most` in all, None for no limit."""

    def __init__(self, most: int | None, of: int) -> None:
        self._most = most
        self._allowed = dict.fromkeys(range(of), 0) if most is None else parts(most, range(of))
        self._sent = dict.fromkeys(range(of), 0)
        self._can_go_on = dict.fromkeys(range(of), True)

    def left(self, shard: int) -> int | None:
        """Return how many rows a shard may still send, None for all."""
        return None if self._most is None else max(0, self._allowed[shard] - self._sent[shard])

    def note(self, shard: int, sent: int, *, can_go_on: bool) -> None:
        """Note how many rows a shard has sent in this run, and whether it could send more if it were allowed to."""
        self._sent[shard], self._can_go_on[shard] = sent, can_go_on

    def divide(self) -> list[int]:
        """Divide what was not sent, once all shards have ended. Return the shards that may go on."""
        waiting = [shard for shard, can_go_on in self._can_go_on.items() if can_go_on and self.left(shard) == 0]
        spare = 0 if self._most is None else self._most - sum(self._sent.values())
        if spare <= 0 or not waiting:
            return []
        more = parts(spare, waiting)
        self._allowed |= {shard: self._sent[shard] + part for shard, part in more.items()}
        return [shard for shard, part in more.items() if part]
