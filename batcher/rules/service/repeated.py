"""Recognizes an execution's name that answers a second start: at most one of the two rows was started as it. Pure."""

from __future__ import annotations

LATELY = 8192
"""The number of names that are remembered, at least. Such answers come from a cache, soon after the first."""

REPEATED = "RepeatedName"
"""The code of such an answer in a record."""


class Names:
    """The names of the executions that starts of a run were answered with lately. `repeated` came a second time."""

    def __init__(self) -> None:
        self.repeated: list[str] = []
        """The caller empties it once they are recorded."""
        self._names: set[str] = set()
        self._earlier: set[str] = set()

    def is_new(self, name: str) -> bool:
        """Note a name, and return whether no other start was answered with it."""
        names = self._names
        count = len(names)
        names.add(name)
        if len(names) == count or name in self._earlier:
            self.repeated.append(name)
            return False
        if count >= LATELY:
            self._names, self._earlier = set(), names
        return True
