"""The steps of each command, in their order. No module here imports an edge: it gets functions as arguments."""
