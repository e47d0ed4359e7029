"""Start one cloud workflow execution for each row of a manifest: bulk starts that survive any interruption."""

__version__ = "0.1.0"
