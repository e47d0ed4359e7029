"""The words that people read are plain technical English: what not to write, and what to write instead."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]

CHECKED = (
    "batcher",
    "bench",
    "samples",
    "README.md",
    "DESIGN.md",
    "docs",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
)
"""Files, and folders with all the Python, Markdown and HTML files in them."""

SUFFIXES = {".py", ".md", ".html"}
GENERATED = {"bench/RESULTS.md"}
"""Files that a command writes, from texts that are checked where they stand."""

INSTEAD = {
    r"mend(?:s|ed|ing)?": "fix",
    r"tells?|told|telling": "show, report, say; for 'tell whether': return whether; for 'told apart': distinguished",
    r"so (?:many|much)": "the number itself, 'the number of', 'up to N', 'a maximum of'",
    r"whoever": "name who: the caller, the user, another process",
    r"nobody": "name who: no other client, no caller; or say what is not done",
    r"comes? to (?:its|their) end": "finish, end",
    r"in good order": "gracefully",
    r"is not named": "no ... given",
    r"goes with its process": "is released when that process ends",
    r"say the same": "cannot be combined; choose one",
    r"last truth": "final state",
    r"has no part in it": "is not used",
    r"free to be sent": "not started, will be retried",
    r"for now": "leave it out, or say until when",
    r"(?:holds?|held|holding)(?:\W+\w+){0,4}?\W+against": "check, check against, compare with",
    r"what is remembered": "what is stored",
    r"at rest": "not started, idle, paused",
    r"\d+(?:\.\d+)?e-\d\d": "a decimal number: 0.1, or <0.01",
}
"""What must not be written, as regular expressions for whole words in any case, and what to write instead."""

_PATTERNS = {
    re.compile(r"(?<!\w)(?:" + words.replace(" ", r"\s+") + r")(?!\w)", re.IGNORECASE): instead
    for words, instead in INSTEAD.items()
}


def findings(text, first_line=1):
    """Return each forbidden phrase in a text with its line and what to write instead."""
    return sorted(
        (first_line + text.count("\n", 0, match.start()), " ".join(match[0].split()), instead)
        for pattern, instead in _PATTERNS.items()
        for match in pattern.finditer(text)
    )


def python_findings(source):
    """Look into all strings, docstrings and comments of a Python source. Names in the code are not looked at."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            # A line break that is written as an escape does not begin a line of the file.
            found += [(min(line, node.end_lineno), *rest) for line, *rest in findings(node.value, node.lineno)]
    for first_line, text in comments(source):
        found += findings(text, first_line)
    return sorted(found)


def comments(source):
    """Yield comments with their first lines. Comments on consecutive lines are one text."""
    block, first, last = [], 0, -1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if token.start[0] != last + 1:
                yield first, "\n".join(block)
                block, first = [], token.start[0]
            block.append(token.string.lstrip("# "))
            last = token.start[0]
    yield first, "\n".join(block)


def unreleased(changelog):
    """Return a changelog up to its first release, with its line numbers kept: history is not rewritten."""
    begin = changelog.index("## Unreleased")
    end = changelog.find("\n## ", begin + 1)
    return changelog[: end if end >= 0 else None]


def file_findings(path):
    text = path.read_text()
    if path.suffix == ".py":
        return python_findings(text)
    return findings(unreleased(text) if path.name == "CHANGELOG.md" else text)


def checked_files():
    for name in CHECKED:
        path = PROJECT / name
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in files:
            if file.suffix in SUFFIXES and str(file.relative_to(PROJECT)) not in GENERATED:
                yield file


def test_what_people_read_is_plain_english():
    lines = [
        f"{path.relative_to(PROJECT)}:{line}: '{found}': write {instead}"
        for path in checked_files()
        for line, found, instead in file_findings(path)
    ]
    assert not lines, "\n".join(["", *lines])


@pytest.mark.parametrize("name", CHECKED)
def test_every_entry_of_the_list_has_files_to_check(name):
    path = PROJECT / name
    assert path.is_file() or any(file.suffix in SUFFIXES for file in path.rglob("*"))


@pytest.mark.parametrize(
    "text",
    [
        "Mend the disk", "it is mended", "tell it", "as told", "so many rows", "so\nmuch", "Whoever reads", "nobody",
        "comes to its end", "come to\ntheir end", "end in good order", "the service is not named",
        "its lock goes with its process", "they say the same", "the last truth", "has no part in it", "free to be sent",
        "nothing for now", "holds the inputs against it", "held against", "what is remembered", "is at rest",
        "7.5e-05 s", "1e-06",
    ],
)  # fmt: skip
def test_a_quaint_phrase_is_found_wherever_its_line_breaks(text):
    assert len(findings(text)) == 1


@pytest.mark.parametrize(
    "text",
    ["a mentor", "intelligent", "stellar", "so manyfold", "the rest", "against", "1e-6", "before now"],
)
def test_a_word_that_only_contains_one_is_not(text):
    assert findings(text) == []


def test_strings_docstrings_and_comments_of_a_source_are_looked_into_and_its_names_are_not():
    source = (
        '"""Mend.\n\nNobody\ndoes.\n"""\n'
        "told = is_told = 1  # so\n"
        "# many rows\n"
        "tell = f'one\\ntwo {told} at rest'\n"
        "at = ('whoever '\n"
        "    'reads')\n"
    )
    assert [(line, found) for line, found, _ in python_findings(source)] == [
        (1, "Mend"),
        (3, "Nobody"),
        (6, "so many"),
        (8, "at rest"),
        (9, "whoever"),
    ]


def test_the_history_of_the_changelog_is_left_as_it_was():
    text = "# Changelog\n\n## Unreleased\n\n- Tell it.\n\n## 0.1\n\n- Nobody.\n"
    assert [line for line, *_ in findings(unreleased(text))] == [5]
    assert unreleased("## Unreleased\n\n- All.\n") == "## Unreleased\n\n- All.\n"
