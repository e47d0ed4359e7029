"""The options of the verbs that look at objects in their buckets before anything is started.

No `from __future__ import annotations` here: the annotations are read at run time.
"""

from typing import Annotated

from batcher.options.declaring import Option, Options

MOST = 10_000
"""More are no sample any more: `batcher list` shows all objects in a hundredth of the requests."""


class Heads(Options):
    """Which objects to look at, and where."""

    group = "Objects of a bucket"

    bucket_endpoint: Annotated[
        str | None,
        Option(
            "Endpoint of OBS that has the buckets, to list them and to look at objects.",
            metavar="URL",
            default="that of the service, or of OBS in its region",
        ),
    ] = None
    head: Annotated[
        int,
        Option(
            "Look at this many objects, spread over the list, before the first start; a missing one ends the run.",
            least=0,
            most=MOST,
        ),
    ] = 0
