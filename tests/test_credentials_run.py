"""Keys that expire in mid-run, as the real command meets them: the job goes on, or ends so that it can go on."""

import asyncio
import json
import os
from contextlib import AsyncExitStack

import pytest
from independent import judging
from launching import run_to_end
from metadata import lent, metadata_service

BARE = {name: value for name, value in os.environ.items() if not name.startswith(("OBS_", "HW_", "HUAWEI", "BATCHER_"))}
OLD = ("OLDACCESSKEY00001111", "old-secret/+=", "old-token/+==")
NEW = ("NEWACCESSKEY00002222", "new-secret/+=", "new-token/+==")
ROWS = 300
ROTATE_AT = 100


def taking(keys):
    access_key, secret_key, token = keys
    return {access_key: (secret_key, token)}


def file_of(keys):
    return "[basic]\nak = {}\nsk = {}\nsecurity_token = {}\n".format(*keys)


def variables(keys):
    return dict(zip(("OBS_ACCESS_KEY_ID", "OBS_SECRET_ACCESS_KEY", "OBS_SECURITY_TOKEN"), keys, strict=True))


class Scene:
    """A start service that takes the old keys at first and only the new ones later, and the command that meets it."""

    def __init__(self, folder, judge, metadata):
        self.folder, self.judge, self.metadata = folder, judge, metadata
        self.file = folder / ".huaweicloud" / "credentials"
        judge.keys, judge.next_keys, judge.rotate_at = taking(OLD), taking(NEW), ROTATE_AT
        (folder / "m.txt").write_text("".join(f"o{number}\n" for number in range(ROWS)))

    def write_file(self, keys, mode=0o600):
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_text(file_of(keys))
        self.file.chmod(mode)

    async def run(self, *words, environment=None):
        """Run the command to its end: the exit code and what it said."""
        known = {**BARE, "HOME": str(self.folder), "BATCHER_METADATA_URL": self.metadata.url, **(environment or {})}
        job = ["run", "m.txt", "-w", "transcode", "-e", self.judge.url, "-b", "videos", "--concurrency", "16", *words]
        code, stdout, stderr = await run_to_end(job, known, self.folder)
        return code, (stdout + stderr).decode()

    def statuses(self):
        lines = (self.folder / "m.txt.executions.jsonl").read_bytes().splitlines()
        return [json.loads(line)["status"] for line in lines]

    def assert_each_row_is_started_once(self):
        assert sorted(self.judge.objects()) == sorted(f"o{number}" for number in range(ROWS))
        assert self.statuses() == ["started"] * ROWS


@pytest.fixture
async def scene(tmp_path):
    async with AsyncExitStack() as stack:
        judge = await stack.enter_async_context(judging())
        yield Scene(tmp_path, judge, await stack.enter_async_context(metadata_service()))


async def test_keys_of_an_ecs_that_are_refused_in_mid_run_are_renewed_once_and_no_row_fails(scene):
    scene.metadata.variant, scene.metadata.keys = "v3", [lent(*OLD), lent(*NEW)]
    code, said = await scene.run()
    assert code == 0, said
    scene.assert_each_row_is_started_once()
    assert scene.metadata.times == 2
    # no more were refused than were on the wire, and each of them was sent again
    assert 1 <= len(scene.judge.refused) <= 16


async def test_a_file_that_was_rotated_is_read_again_when_its_old_keys_are_refused(scene):
    scene.write_file(OLD)
    running = asyncio.create_task(scene.run())
    await scene.judge.received(1)
    scene.write_file(NEW)
    code, said = await running
    assert code == 0, said
    scene.assert_each_row_is_started_once()
    assert scene.metadata.asked == []


async def test_a_file_that_was_not_rotated_ends_the_job_and_the_rotated_one_finishes_it(scene):
    scene.write_file(OLD, mode=0o644)
    code, said = await scene.run()
    assert code == 77, said
    assert "InvalidAccessKeyId" in said
    assert "credentials: file ~/.huaweicloud/credentials [basic], access key ...1111" in said
    assert "warning: ~/.huaweicloud/credentials: other users can read this file; run chmod 600" in said
    assert scene.statuses() == ["started"] * ROTATE_AT
    scene.write_file(NEW)
    code, said = await scene.run()
    assert code == 0, said
    assert "other users can read this file" not in said
    scene.assert_each_row_is_started_once()


async def test_temporary_keys_of_the_environment_are_final(scene):
    code, said = await scene.run(environment=variables(OLD))
    assert code == 77, said
    assert "credentials: environment OBS_ACCESS_KEY_ID, access key ...1111" in said
    assert scene.statuses() == ["started"] * ROTATE_AT
    code, said = await scene.run(environment=variables(NEW))
    assert code == 0, said
    scene.assert_each_row_is_started_once()
    assert scene.metadata.asked == []


async def test_new_keys_that_are_refused_too_end_the_job(scene):
    scene.judge.next_keys = {}
    scene.metadata.keys = [lent(*OLD), lent(*NEW), lent("NEVERASKED0000003333", "s", "t")]
    code, said = await scene.run()
    assert code == 77, said
    assert "credentials: ECS agency, access key ...2222" in said
    assert scene.metadata.times == 2
    assert scene.statuses() == ["started"] * ROTATE_AT


async def test_a_metadata_service_that_has_no_new_keys_is_told_and_ends_the_job(scene):
    scene.metadata.keys = [lent(*OLD), b"{}"]
    code, said = await scene.run()
    assert code == 77, said
    assert (
        "warning: the credentials cannot be renewed: the answer of the ECS metadata service contains no credentials"
        in said
    )
    assert scene.statuses() == ["started"] * ROTATE_AT


@pytest.mark.parametrize(
    "choice", [(("--credentials", "file"), {}), ((), {"BATCHER_CREDENTIALS": "file"})], ids=["flag", "variable"]
)
async def test_a_chosen_place_is_the_only_one(scene, choice):
    words, environment = choice
    scene.write_file(OLD)
    scene.judge.rotate_at = None
    code, said = await scene.run(*words, environment={**environment, **variables(NEW)})
    assert code == 0, said
    code, said = await scene.run("--credentials", "ecs")
    assert code == 77, said
    assert "check that the ECS has an agency" in said


async def test_a_stand_in_that_is_not_on_this_machine_is_a_wrong_command_line(scene):
    code, said = await scene.run(environment={"BATCHER_METADATA_URL": "http://192.0.2.1:80"})
    assert code == 2, said
    assert "BATCHER_METADATA_URL is for tests" in said
