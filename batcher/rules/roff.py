"""Formats help texts as a manual page in roff (https://man7.org/linux/man-pages/man7/groff_man.7.html). Pure.

A help text consists of paragraphs separated by empty lines. As in click, a paragraph that begins with a backspace alone
on its line keeps its line breaks; other paragraphs are filled.
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
"""Characters that roff would interpret, or typeset as a character other than the one to type."""
_VERBATIM = "\b"


def escaped(text: str) -> str:
    """Escape text so that roff prints it literally, also at the beginning of a line."""
    written = "".join(_ESCAPES.get(char, char if char.isascii() else f"\\[u{ord(char):04X}]") for char in text)
    return f"\\&{written}" if written.startswith(".") else written


def title(name: str, version: str) -> str:
    """Write the title of a page in section 1. It has no date, so that one version always gives the same page."""
    return f'.TH {escaped(name.upper())} 1 "" "{escaped(f"{name} {version}")}" "User Commands"\n'


def section(name: str, body: str) -> str:
    """Write a section with its heading."""
    return f".SH {escaped(name.upper())}\n{body}"


def subsection(name: str, body: str) -> str:
    """Write a subsection with its heading."""
    return f".SS {escaped(name)}\n{body}"


def paragraphs(text: str) -> str:
    """Format a help text."""
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
    # A heading above the lines, if there is one, becomes its own paragraph.
    heading = [line for line in lines[1:2] if not line.startswith(" ")]
    rest = [line for line in lines[1 + len(heading) :] if line != _VERBATIM]
    kept = "".join(f"{escaped(line.removeprefix('  '))}\n" for line in rest)
    above = "".join(f".PP\n{escaped(line)}\n" for line in heading)
    return f"{above}.PP\n.nf\n{kept}.fi\n" if kept else above


def definitions(entries: Iterable[tuple[str, str]]) -> str:
    """Write a list of terms with their meanings."""
    return "".join(f".TP\n.B {escaped(term)}\n{escaped(meaning)}\n" for term, meaning in entries)
