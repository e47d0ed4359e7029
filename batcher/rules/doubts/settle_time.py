"""The settle time: how long an execution may be missing from the execution list after its start. Pure.

It stands alone, since the options need the number and not the matching.
"""

SETTLE_TIME = 30.0
"""Seconds. No document says how long it takes: `batcher doctor` measures it, and --settle-time sets it."""
