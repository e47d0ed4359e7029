"""What carries a job where uvloop or aiofastnet is not installed: other transports, and the same outcome."""

import asyncio
import json
import os
import sys

import pytest
from conftest import KEYS
from scripted_server import server_side

trustme = pytest.importorskip("trustme")

WITHOUT = """
import atexit, sys
hidden = sys.argv.pop(1).split()
class Missing:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing)
atexit.register(lambda: print([name for name in ("aiofastnet", "uvloop") if name in sys.modules]))
from batcher.cli.main import main
sys.exit(main())
"""
"""The command in a Python that does not find some packages. It prints which of the two it has imported."""
ROWS = 30


@pytest.mark.parametrize(
    ("hidden", "imported"),
    [("", ["aiofastnet", "uvloop"]), ("aiofastnet", ["uvloop"]), ("uvloop", [])],
)
async def test_a_job_over_tls_starts_each_row_once_whichever_package_is_missing(emulator, tmp_path, hidden, imported):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    service = await emulator(ssl_context=server_side(authority), workflows={"transcode": {}})
    (tmp_path / "keys.txt").write_text("".join(f"in/{number}.mp4\n" for number in range(ROWS)))
    words = f"run keys.txt -w transcode -b films -e {service.url} --ca-bundle authority.pem"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WITHOUT, hidden, *words.split(),
        cwd=tmp_path, env=os.environ | KEYS, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, errors = await process.communicate()
    assert (process.returncode, said.decode()) == (0, f"{imported}\n"), errors.decode()
    started = [object_ for (_, object_, _), count in service.ledger.counts().items() for _ in range(count)]
    assert sorted(started) == sorted(f"in/{number}.mp4" for number in range(ROWS))
    records = [json.loads(line) for line in (tmp_path / "keys.txt.executions.jsonl").read_text().splitlines()]
    assert [record["status"] for record in records] == ["started"] * ROWS
