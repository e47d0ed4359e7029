"""The distribution is called obs-batcher, and the command and the package batcher: wherever a name is installed."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1]
NAME = "obs-batcher"
INSTALLED = re.compile(r"\b(?:pip3?|pipx|uv pip|uv tool|uv) (?:install|add|download)\b([^\n`]*)|\buvx ([^\n`]*)")
TEXTS = {".py", ".md", ".toml", ".txt", ".sh", ".yml", ".yaml", ""}
PARTS = ("batcher", "bench", "docs", "samples", "tests", ".ci")


def texts():
    files = [*PROJECT.glob("*"), *(path for part in PARTS for path in (PROJECT / part).rglob("*"))]
    this = Path(__file__)
    return [path for path in files if path.is_file() and path.suffix in TEXTS and path != this and path.name != ".git"]


def test_the_project_declares_the_name_and_keeps_the_command_and_the_package():
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    assert declared["project"]["name"] == NAME
    assert declared["project"]["scripts"] == {"batcher": "batcher.cli.main:main"}
    assert declared["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["batcher"]


def test_no_line_installs_the_other_project_that_is_called_batcher():
    found = []
    for path in texts():
        for match in INSTALLED.finditer(path.read_text(errors="replace")):
            words = re.findall(r"[\w.\[\]-]+", match[1] or match[2])
            found += [(path.name, match[0]) for word in words if re.fullmatch(r"batcher(\[.*\])?", word)]
    assert found == []


def test_where_it_cannot_run_it_says_so_before_anything_else_is_imported():
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert "Operating System :: POSIX" in declared["classifiers"]
    assert not any("win32" in each or "Windows" in each for each in declared["dependencies"])
    program = (
        "import sys; from batcher.cli.main import main; sys.platform = 'win32'; sys.modules['fcntl'] = None; main()"
    )
    ran = subprocess.run([sys.executable, "-c", program, "run"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr.splitlines()) == (
        71,
        [
            "batcher: error: batcher runs on Linux and macOS only",
            "batcher: On Windows, install it in WSL.",
        ],
    )


def test_the_readme_says_what_to_install():
    assert f"`{NAME}`" in (PROJECT / "README.md").read_text()
