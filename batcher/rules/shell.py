"""Writes a command line for a shell, in printable characters, whatever bytes its words hold. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable


def command_line(words: Iterable[str]) -> str:
    """Return the words as a shell reads them back: those that cannot be printed through `printf`, with octal escapes.

    Bytes of a file name that are not UTF-8 are surrogate escapes, see
    https://docs.python.org/3/library/os.html#filesystem-encoding.
    """
    return " ".join(shlex.quote(word) if word.isprintable() else f"\"$(printf '{_octal(word)}')\"" for word in words)


def _octal(word: str) -> str:
    return "".join(map(_escaped, word))


def _escaped(char: str) -> str:
    if char.isprintable() and char not in "'\\%-":
        return char
    # `$(...)` drops line breaks at the end of a word. No file of a job has such a name by default.
    return "".join(f"\\{byte:03o}" for byte in char.encode("utf-8", "surrogateescape"))
