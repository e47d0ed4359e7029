"""A person's shell: what a command suggests is given to `sh -c`, word for word."""

import asyncio
import html
import re
import sys
from pathlib import Path

from test_command import ENVIRONMENT, Ran

NEXT = re.compile(r"^batcher: (?:next|next, after fixing it|once this run has ended): (batcher .*)$", re.MULTILINE)
CODE = re.compile(r"<pre><code>(.*?)</code></pre>", re.DOTALL)
TAG = re.compile(r"<[^>]*>")


async def shell(command, folder):
    """Run a command line in a folder, where `batcher` is the command under test."""
    tools = Path(folder) / ".tools"
    tools.mkdir(exist_ok=True)
    program = tools / "batcher"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m batcher "$@"\n')
    program.chmod(0o755)
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", command, cwd=folder, stdin=asyncio.subprocess.DEVNULL,
        env=ENVIRONMENT | {"PATH": f"{tools}:/usr/bin:/bin", "BATCHER_SETTLE_TIME": "0.2"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    stdout, stderr = await asyncio.wait_for(process.communicate(), 120)
    return Ran(process.returncode, stdout, stderr)


def suggested(stderr):
    """Give the commands that a command has suggested, in their order."""
    return NEXT.findall(stderr)


def suggested_on(page):
    """Give the commands on a report's page, in their order."""
    return [html.unescape(TAG.sub("", code)) for code in CODE.findall(page.read_text())]
