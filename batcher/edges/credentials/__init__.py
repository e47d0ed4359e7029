"""Finds credentials in the environment, in a file or on the ECS: in this order, or in one of them only.

All parts come from the same place: credentials from different places are never mixed.
"""

from batcher.edges.credentials.chain import find_credentials
from batcher.edges.credentials.environment import FAMILIES
from batcher.edges.credentials.file import project_in_file
from batcher.edges.credentials.found import Found, Send

__all__ = ["FAMILIES", "Found", "Send", "find_credentials", "project_in_file"]
