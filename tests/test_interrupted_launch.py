"""Ctrl-C while a command imports its modules: it ends at once with the exit code of an interrupt, whatever it hits."""

import subprocess
import sys

import pytest

LAUNCH = """
import _imp, os, signal, sys, threading

is_begun = threading.Event()

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

class Interrupting:
    def __set_name__(self, owner, name):
        interrupt()

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "batcher.app.look":
            {deed}

sys.meta_path.insert(0, Finder)
from batcher.app import process
from batcher.cli.main import main

# The thread that imports the client begins when the other import is interrupted.
really = process.import_module
process.import_module = lambda name: is_begun.wait() and really(name)
sys.argv = ["batcher", "run", "a.txt", "-w", "transcode", "-e", "http://127.0.0.1:1", "-b", "videos"]
main()
"""


@pytest.mark.parametrize(
    "deed",
    [
        "is_begun.set(); interrupt()",
        # What Python makes an error of.
        "is_begun.set(); type('Class', (), {'name': Interrupting()})",
        # What leaves the lock of all imports behind.
        "_imp.acquire_lock(); is_begun.set(); interrupt()",
    ],
)
def test_an_interrupted_import_ends_the_command_as_interrupted(tmp_path, deed):
    (tmp_path / "a.txt").write_text("a\n")
    command = [sys.executable, "-c", LAUNCH.replace("{deed}", deed)]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False)
    assert (ended.returncode, ended.stderr.strip()) == (130, "")
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]
