"""`python -m batcher` is the command `batcher`."""

from batcher.cli.app import main

main()
