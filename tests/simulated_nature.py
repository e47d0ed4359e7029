"""What a service of the simulation is like, drawn for a whole simulation: its delays, its faults, its pages."""

from typing import NamedTuple

from simulated_lies import TIMEOUT

AFTER = ("lost after", "500 after", "unreadable", "nameless", "slow")
"""The faults of a start that is committed all the same."""
BEFORE = ("refused", "busy", "unsent", "lost before", "500 before", "denied")
SHAPES = ("plain", "records", "twice")


class Nature(NamedTuple):
    """What a service is like, for a whole simulation. Times are in seconds, shares between 0 and 1."""

    offset: float
    """The service's clock less the client's."""
    delay: float
    """The longest that an execution is missing from the list."""
    lag: float
    """The longest way of a request to the service."""
    faults: dict[str, float]
    mimics: float
    """The share of doubts in whose time somebody else starts something alike."""
    slow_list: float
    page: int
    shape: str


def nature(dice, settle_time):
    """Draw a service that keeps its promise: what is started is listed within the settle time."""
    kinds = (*BEFORE, *AFTER)
    faults = {kind: dice.choice((0, 0, 0.03, 0.15)) for kind in kinds} | {"denied": dice.choice((0, 0, 0, 0.02))}
    return Nature(
        offset=dice.choice((0, 0, dice.uniform(-600, 600))),
        delay=settle_time * dice.choice((0, 0.1, 0.6)),
        lag=min(settle_time * dice.choice((0.001, 0.01, 0.3)), 0.3 * TIMEOUT),
        faults=faults,
        mimics=dice.choice((0, 0, 0, 0.4)),
        slow_list=dice.choice((0, 0, 0.2)),
        page=dice.choice((2, 3, 1000)),
        shape=dice.choice(SHAPES),
    )
