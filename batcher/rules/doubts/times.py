"""By how much the times of the service and ours may differ, and for how long it shows an execution. Pure."""

EARLY = 5.0
"""Seconds by which an execution may appear to start before its row's intent: the service has many clocks."""
LATE = 60.0
"""Seconds by which an execution may start after its row's doubt, at least: the request may still be on the wire."""
RETENTION = 24 * 3600.0
"""Seconds for which the list is certain to keep an execution. An older row needs an execution in the list that is even
older: it shows that the list goes back far enough."""
