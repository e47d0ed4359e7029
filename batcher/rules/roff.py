"""The roff of a manual page (https://man7.org/linux/man-pages/man7/groff_man.7.html), from help texts. Pure.

A help text is paragraphs with empty lines between them. One that begins with a backspace alone on its line, as click
has it, keeps its lines; the others are filled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_ESCAPES = {
    "\\": r"\e",
    "-": r"\-",
    "'": r"\(aq",
    '"': r"\(dq",
    "`": r"\(ga",
    "^": r"\(ha",
    "~": r"\(ti",
}
"""What roff would take for something else, or typeset as another character than the one to be typed."""
_VERBATIM = "\b"


def escaped(text: str) -> str:
    """Write text so that it is read as it stands, also at the beginning of a line."""
    written = "".join(_ESCAPES.get(char, char if char.isascii() else f"\\[u{ord(char):04X}]") for char in text)
    return f"\\&{written}" if written.startswith(".") else written


def title(name: str, version: str) -> str:
    """Begin a page of section 1. It has no date, so that the same program always gives the same page."""
    return f'.TH {escaped(name.upper())} 1 "" "{escaped(f"{name} {version}")}" "User Commands"\n'


def section(name: str, body: str) -> str:
    """Write a section."""
    return f".SH {escaped(name.upper())}\n{body}"


def subsection(name: str, body: str) -> str:
    """Write a part of a section."""
    return f".SS {escaped(name)}\n{body}"


def paragraphs(text: str) -> str:
    """Write a help text."""
    return "".join(map(_paragraph, _apart(text)))


def _apart(text: str) -> Iterator[list[str]]:
    lines: list[str] = []
    for line in [*text.strip("\n").splitlines(), ""]:
        if line.strip() or line == _VERBATIM:
            lines.append(line)
        elif lines:
            yield lines
            lines = []


def _paragraph(lines: list[str]) -> str:
    if lines[0] != _VERBATIM:
        return f".PP\n{escaped(' '.join(line.strip() for line in lines))}\n"
    # A heading over the lines, if there is one, is a paragraph of its own.
    heading = [line for line in lines[1:2] if not line.startswith(" ")]
    rest = [line for line in lines[1 + len(heading) :] if line != _VERBATIM]
    kept = "".join(f"{escaped(line.removeprefix('  '))}\n" for line in rest)
    above = "".join(f".PP\n{escaped(line)}\n" for line in heading)
    return f"{above}.PP\n.nf\n{kept}.fi\n" if kept else above


def definitions(entries: Iterable[tuple[str, str]]) -> str:
    """Write terms, each with what it means."""
    return "".join(f".TP\n.B {escaped(term)}\n{escaped(meaning)}\n" for term, meaning in entries)
