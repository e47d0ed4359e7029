"""The credentials: looked for in the environment, in a file and on the ECS, in this order or in one of them alone.

Wherever they are found, all of them come from there: keys of different places are never mixed.
"""

from batcher.edges.credentials.chain import find_credentials
from batcher.edges.credentials.environment import FAMILIES
from batcher.edges.credentials.found import Found, Send

__all__ = ["FAMILIES", "Found", "Send", "find_credentials"]
