"""The settle time: how long a new execution may be missing from the execution list. Pure.

It has its own module because the options need this number without the matching.
"""

SETTLE_TIME = 30.0
"""Seconds. The default: the delay is not documented. `batcher doctor` measures it, and --settle-time sets it."""
