"""The samples for schedulers and the image: each is checked by its own rules, and the command in it is run."""

import asyncio
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from test_after import started
from test_command import ENVIRONMENT, batcher, folder  # noqa: F401 - the folder is a fixture
from test_one_run import HAS_MOUNTS

from batcher import __version__
from batcher.options.verbs import RunOptions
from batcher.rules.shards.ownership import owner

PROJECT = Path(__file__).parents[1]
JOB, SCRIPT, IMAGE = (
    PROJECT / each for each in ("samples/kubernetes/job.yaml", "samples/slurm/batcher.sh", "Dockerfile")
)
ROWS = [f"in/clip {number}.mp4" for number in range(48)]

READ_ONLY = """
mount --bind "$1" "$1" && cd "$1" || exit 90
findmnt --raw --noheadings --output TARGET | while read -r each; do
    [ "$each" = "$1" ] || mount -o remount,bind,ro "$each" || exit 91
done || exit 92
! touch "$2" 2> /dev/null || exit 93
shift 2
exec "$@"
"""
"""Runs a command where the first argument is the only writable folder. The second is a file that cannot be made."""


def documents():
    return {each["kind"]: each for each in yaml.safe_load_all(JOB.read_text())}


def variables():
    """Give the environment that the image sets."""
    (line,) = re.findall(r"^ENV (.*)$", IMAGE.read_text(), re.MULTILINE)
    return dict(word.split("=", 1) for word in line.split())


def write_list(folder):  # noqa: F811
    (folder / "keys.txt").write_text("".join(f"{row}\n" for row in ROWS))


def test_the_sample_of_kubernetes_is_what_the_published_schema_allows_and_its_parts_agree():
    found = documents()
    for document in found.values():
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    job = found["Job"]["spec"]
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    assert (job["completionMode"], job["podReplacementPolicy"], pod["restartPolicy"]) == ("Indexed", "Failed", "Never")
    given = {each["name"]: each["value"] for each in container["env"]}
    assert int(given["BATCHER_SHARDS"]) == job["completions"] > job["parallelism"]
    options = RunOptions(manifest=Path("keys.txt"), workflow="w", endpoint="https://obs.example.com", bucket="videos")
    assert pod["terminationGracePeriodSeconds"] >= 2 * options.timeout
    assert container["image"] == f"batcher:{__version__}"
    # What is mounted is there, and where the image expects it.
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
    mounted = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert re.search(r"^WORKDIR /work$\n^ENTRYPOINT", IMAGE.read_text(), re.MULTILINE)
    assert (mounted["work"], Path(given["BATCHER_CONFIG"]).parent) == ("/work", Path(mounted["settings"]))
    (volume,) = (each["persistentVolumeClaim"] for each in pod["volumes"] if "persistentVolumeClaim" in each)
    assert volume["claimName"] == found["PersistentVolumeClaim"]["metadata"]["name"]
    assert f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}\n" in IMAGE.read_text()


async def test_a_pod_of_the_sample_works_on_the_shard_of_its_index(folder, emulator):  # noqa: F811
    service = await emulator()
    write_list(folder)
    found = documents()
    (container,) = found["Job"]["spec"]["template"]["spec"]["containers"]
    Path("batcher.toml").write_text(found["ConfigMap"]["data"]["batcher.toml"])
    given = {each["name"]: each["value"] for each in container["env"]} | {"BATCHER_CONFIG": "batcher.toml"}
    environment = ENVIRONMENT | given | {"BATCHER_ENDPOINT": service.url, "JOB_COMPLETION_INDEX": "7"}
    words = [word.replace("/work/", "") for word in container["args"]]
    ran = await batcher(*words, environment=environment)
    assert ran.code == 0, ran
    assert started(service) == {row: 1 for row in ROWS if owner(row, 8) == 7}


async def ended(*command, environment):
    process = await asyncio.create_subprocess_exec(
        *map(str, command), env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_the_tasks_of_the_sample_of_slurm_work_on_the_shards_of_their_indexes(folder, emulator):  # noqa: F811
    service = await emulator()
    write_list(folder)
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OBS_ENDPOINT": service.url}
    slurm = {"SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "3"}
    ran = await asyncio.gather(
        *(ended(SCRIPT, environment=ENVIRONMENT | path | slurm | {"SLURM_ARRAY_TASK_ID": task}) for task in "34")
    )
    assert [code for code, _ in ran] == [0, 0], ran
    assert started(service) == Counter(ROWS)


@pytest.mark.skipif(not HAS_MOUNTS, reason="this user may not mount")
async def test_the_command_needs_no_more_than_one_writable_folder_and_the_variables_of_the_image(folder, emulator):  # noqa: F811
    service = await emulator()
    work = folder / "work"
    work.mkdir()
    write_list(work)
    moved = {name: value.replace("/work", str(work)) for name, value in variables().items() if name != "PATH"}
    keys = {name: value for name, value in ENVIRONMENT.items() if name.startswith("OBS_")}
    environment = moved | keys | {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT)}
    job = ("keys.txt", "-w", "transcode", "-e", service.url, "-b", "videos")
    command = f'b() {{ "{sys.executable}" -m batcher "$@" || exit; }}; j="{" ".join(job)}"; ' + "; ".join(
        f"b {words}" for words in ("check $j", "run $j --processes 2", "export keys.txt.run -o out.csv")
    )
    code, said = await ended(
        *("unshare", "-rm", "sh", "-c", READ_ONLY, "sh", work, folder / "elsewhere", "sh", "-c", command),
        environment=environment,
    )
    assert code == 0, said
    assert started(service) == Counter(ROWS)
    assert (work / "out.csv").read_text().count("\n") == len(ROWS) + 1
    # No witness is beside the files of the job, and no temporary file is left.
    assert {path.name for path in work.iterdir()} - {".cache"} == {"keys.txt", "keys.txt.run", "out.csv"}
