"""Builds the distribution, checks it, and uses it as a new user would: `python tests/package.py`.

Leaves in dist/: the wheel, the source distribution, what the wheel brings with it (a CycloneDX bill of materials) and
under which licences.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import venv
from pathlib import Path
from shutil import rmtree

PROJECT = Path(__file__).parents[1]
DIST = PROJECT / "dist"
CLEAN = PROJECT / "build" / "clean"
"""A Python environment with nothing but the wheel and what it requires."""
TOOLS = Path(sys.executable).parent
PYTHON = CLEAN / "bin" / "python"
PIP = (sys.executable, "-m", "pip", "--python", PYTHON, "--disable-pip-version-check")


def main() -> None:
    """Build, check, install, and run the first page of the documentation from what is installed."""
    rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", DIST, PROJECT)
    wheel, source = next(DIST.glob("*.whl")), next(DIST.glob("*.tar.gz"))
    run(TOOLS / "twine", "check", "--strict", wheel, source)
    run(TOOLS / "check-wheel-contents", wheel)
    install(wheel)
    run(CLEAN / "bin" / "batcher", "--version")
    run(PYTHON, PROJECT / "tests" / "documentation.py", PROJECT / "README.md")
    describe()


def install(wheel: Path) -> None:
    """Install the wheel into an empty environment, and print what that takes."""
    # Without pip, which is nothing that the wheel brings.
    venv.create(CLEAN, clear=True)
    before, begin = size(CLEAN), time.monotonic()
    run(*PIP, "install", "--quiet", "--no-compile", "--constraint", PROJECT / "constraints.txt", wheel)
    seconds, grown = time.monotonic() - begin, size(CLEAN) - before
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB; installed in {seconds:.1f} s, {grown / 1e6:.0f} MB")


def describe() -> None:
    """Write the bill of materials, and the licence of each package in it."""
    run(TOOLS / "cyclonedx-py", "environment", "--output-reproducible", "--output-file", DIST / "sbom.json", PYTHON)
    licences = (TOOLS / "pip-licenses", "--python", PYTHON, "--from=mixed", "--format=markdown")
    listed = run(*licences, "--output-file", DIST / "licences.md")
    print(re.sub(r"\n+", "\n", listed), (DIST / "licences.md").read_text(), sep="")
    components = {each["name"].lower() for each in json.loads((DIST / "sbom.json").read_text())["components"]}
    installed = {each["name"].lower() for each in json.loads(run(*PIP, "list", "--format", "json"))}
    if components != installed:
        sys.exit(f"the bill of materials differs from what is installed: {sorted(components ^ installed)}")


def size(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def run(*words: object) -> str:
    """Run a command, print what it does, and return what it printed. Ends this script where the command fails."""
    command = [str(word) for word in words]
    print("$", *command[:1], *(word.removeprefix(f"{PROJECT}/") for word in command[1:]), flush=True)
    ended = subprocess.run(command, cwd=PROJECT, check=False, text=True, capture_output=True)
    if ended.returncode:
        sys.exit(f"{ended.stdout}{ended.stderr}exit code {ended.returncode}")
    return ended.stdout


if __name__ == "__main__":
    main()
