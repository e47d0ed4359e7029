"""Reading a manifest in a test: its rows, its keys, the one bad row, or why it is refused."""

import pytest

from batcher.edges.manifest import Choice, format_of, open_manifest
from batcher.errors import ManifestError
from batcher.model import BadRow, Parameter

PARAMETERS = {
    name: Parameter(name, type_, has_value=False, constraints={})
    for name, type_ in {"template-id": "integer", "loud": "boolean", "tags": "list"}.items()
}


def read(path, bucket="my-videos", **defaults):
    with open_manifest(path, format_of(path, None), Choice(keep_placeholders=True)) as manifest:
        manifest.check()
        return [row for block in manifest.blocks(bucket=bucket, **defaults) for row in block]


def keys(path):
    rows = read(path)
    assert [row.reason for row in rows if isinstance(row, BadRow)] == []
    return [row.object for row in rows]


def only_bad(path, **defaults):
    (row,) = [row for row in read(path, **defaults) if isinstance(row, BadRow)]
    return row


def refusal(path, format_=None):
    with pytest.raises(ManifestError) as caught, open_manifest(path, format_of(path, format_)) as manifest:
        manifest.check()
    return f"{caught.value} | {caught.value.advice}"
