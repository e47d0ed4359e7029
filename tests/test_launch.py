"""What a run imports: what it uses, and nothing that only other runs use. So it begins soon, and costs little."""

import asyncio
import sys
from importlib.util import find_spec

from conftest import KEYS
from test_command import ENVIRONMENT

IMPORTED = """
import atexit, sys
atexit.register(lambda: print(*sys.modules))
from batcher.cli.main import main
sys.exit(main())
"""
"""The command in a Python that prints what it has imported."""

OTHERS = {
    "--canary": {
        *("batcher.app.canary", "batcher.app.canary_watch", "batcher.app.watch", "batcher.rules.ends.canary"),
        *("batcher.rules.ends.figures", "batcher.rules.ends.followed", "batcher.rules.ends.redriven"),
        *("batcher.rules.ends.summary", "batcher.rules.rows.spread"),
    },
    "--max-running": {"batcher.app.closed_loop", "batcher.flow.watch", "batcher.edges.ends", "statistics"},
    "--log-file": {"batcher.edges.log", "logging.handlers"},
    "--metrics-port": {
        *("batcher.edges.metrics", "batcher.edges.report", "batcher.edges.web", "batcher.rules.report.page"),
        *("jinja2", "prometheus_client"),
    },
    "a page that is looked at": {"batcher.app.live_page"},
    "--processes": {"batcher.app.leases", "batcher.app.processes", "batcher.app.engines.processes"},
    "--progress bar": {"rich"},
    "a row that is sent again": {"tenacity"},
    "a bucket": {
        *("batcher.app.heads", "batcher.app.object_list", "batcher.flow.bucket_questions"),
        *("batcher.flow.object_list", "xml.etree.ElementTree"),
    },
    "another format": {
        *("batcher.edges.manifest.given", "batcher.edges.manifest.inventory", "batcher.edges.manifest.parquet"),
        *("batcher.edges.manifest.parquet_bounds", "batcher.edges.manifest.parquet_cells", "pyarrow"),
    },
    "--ledger": {"batcher.app.membership", "batcher.app.sharing", "batcher.edges.row_ledger"},
    "--api dwr-v3": {
        *("batcher.app.project", "batcher.rules.service.dwr_v3", "batcher.rules.service.dwr_v3_errors"),
        *("batcher.rules.service.dwr_v3_list", "batcher.rules.service.projects", "batcher.rules.service.sdk_signing"),
    },
    "rows in doubt": {
        *("batcher.app.doubts", "batcher.flow.reconcile", "batcher.rules.doubts.evidence"),
        *("batcher.rules.doubts.matching", "batcher.rules.doubts.likeness", "html.entities"),
    },
    "a checkpoint without a witness": {"batcher.app.unknown", "batcher.flow.unknown", "batcher.rules.doubts.unknown"},
    "a person who is asked": {"batcher.app.confirm"},
    "--remember-rate": {"batcher.app.rate_cache", "batcher.edges.whole_file"},
    "a settings file": {"batcher.rules.settings_file", "tomllib"},
    "a credentials file": {"batcher.rules.service.credentials_file", "configparser"},
    "a run folder": {"batcher.app.history", "batcher.app.run_folder", "batcher.edges.scratch"},
    "another command": {
        *("batcher.app.doctor", "batcher.app.report", "batcher.emulator", "batcher.flow.redrive", "aiohttp.web"),
    },
}
"""What a run imports for something that a plain run has not got."""


ROWS = 8


async def imported(service, folder, words=""):
    """Run a small list, and return the names of the modules that were imported until the end."""
    (folder / "objects.csv").write_text("object\n" + "".join(f"in/{number}.mp4\n" for number in range(ROWS)))
    command = f"run objects.csv -w transcode -b films -e {service.url} {words}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", IMPORTED, *command.split(), cwd=folder, env=ENVIRONMENT | KEYS, stdout=-1, stderr=-1
    )
    said, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert len(service.ledger.counts()) == ROWS
    return {*said.decode().splitlines()[-1].split()}


async def test_a_plain_run_imports_nothing_that_only_other_runs_use(emulator, tmp_path):
    found = await imported(await emulator(workflows={"transcode": {}}), tmp_path)
    assert {name for names in OTHERS.values() for name in names if find_spec(name) is None} == set()
    assert {why: names & found for why, names in OTHERS.items() if names & found} == {}


async def test_a_run_imports_what_it_is_asked_for_and_what_its_answers_need(emulator, tmp_path):
    service = await emulator(workflows={"transcode": {}}, rate=20.0, burst=1, run_time=0.0)
    found = await imported(service, tmp_path, "--max-running 100 --log-file run.log --metrics-port 0")
    needed = ("--max-running", "--log-file", "--metrics-port", "a row that is sent again")
    assert {why: OTHERS[why] - found for why in needed if OTHERS[why] - found} == {}
