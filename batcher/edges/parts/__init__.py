"""Millions of rows, keys or hashes in parts that fit into memory, and a temporary file for what does not."""

from batcher.edges.parts.contents_file import ContentsFile
from batcher.edges.parts.hash_parts import HashParts
from batcher.edges.parts.partition import Part, Partition

__all__ = ["ContentsFile", "HashParts", "Part", "Partition"]
