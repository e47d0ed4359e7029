"""Ask an emulator as a client does: start objects, list executions, look at one. `call` is the fixture of that name."""

import json

from batcher.emulator.parsing import parse_quirk

START = "/v2/workflows/transcode"
LIST = "/v2/workflowexecutions"
GRAPH = ("x-workflow-graph-name", "transcode")


def quirks(text):
    """Read quirks, separated by blanks, as --quirk takes them."""
    return dict(map(parse_quirk, text.split()))


async def start(call, service, key="o", inputs=None):
    """Start an object, and return the answer's document."""
    return (await call(service, "POST", START, body={"bucket": "b", "object": key, "inputs": inputs})).json


async def start_all(call, service, keys):
    """Start objects, and return the names of their executions by object."""
    return {key: (await start(call, service, key))["execution_name"] for key in keys}


async def page(call, service, *query):
    """Ask for a page of the list, and return its document."""
    return (await call(service, "GET", LIST, [GRAPH, *query])).json


async def names(call, service, *query):
    """Return the names on a page of the list, in its order."""
    return [each["execution_name"] for each in (await page(call, service, *query))["executions"]]


async def walk(call, service):
    """Follow the markers, and return the names on each page."""
    pages, query = [], ()
    while query is not None:
        answer = await page(call, service, *query)
        pages.append([each["execution_name"] for each in answer["executions"]])
        query = (("x-workflow-next-marker", answer["next_marker"]),) if answer["is_truncated"] else None
    return pages


async def describe(call, service, name):
    """Return what the detail of an execution describes."""
    return (await call(service, "GET", f"{LIST}/{name}", [GRAPH])).json["execution_info"]


async def shown(call, service, name):
    """Return the content that the detail of an execution shows."""
    return json.loads((await describe(call, service, name))["input"])
