"""`python -m batcher` is the command `batcher`."""

from batcher.cli.main import main

main()
