"""Formats figures and the machine as Markdown. Pure.

docs/speed.md contains the same table, between two marks that stand alone on their lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from figures import Figure, verdict

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"


def table(figures: Sequence[Figure]) -> str:
    """Format the figures as a table. Figures without a goal go into a second table."""
    judged = [figure for figure in figures if figure.goal is not None]
    plain = [figure for figure in figures if figure.goal is None]
    parts = []
    if judged:
        parts.append(_lines(("what", "measured", "must", "aim", "holds", "how"), map(_judged, judged)))
    if plain:
        parts.append(_lines(("what", "measured", "and"), map(_plain, plain)))
    return "\n\n".join(parts)


def results(figures: Sequence[Figure], machine: Mapping[str, str], note: str) -> str:
    """Format the page of results: the machine, a note on the run, the figures."""
    described = "\n".join(f"- {name}: {text}" for name, text in machine.items())
    return f"# Results of `make bench`\n\n{described}\n\n{note}\n\n{table(figures)}\n"


def put_between(page: str, text: str) -> str:
    """Put a text between the marks of a page. Raises ValueError unless the page has each of them once."""
    before, begin, rest = page.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in before + after:
        raise ValueError(f"the page must have {BEGIN} and {END} once each, in this order")
    return f"{before}{begin}{text}\n{end}{after}"


def _judged(figure: Figure) -> tuple[str, ...]:
    goal = figure.goal
    assert goal is not None  # noqa: S101 - `table` passes only figures with a goal
    sign = ">=" if goal.at_least else "<="
    bounds = ("" if bound is None else f"{sign} {_shown(figure, bound)}" for bound in (goal.must, goal.aim))
    return (figure.what, f"**{_shown(figure, figure.value)}**", *bounds, verdict(figure), figure.detail)


def _plain(figure: Figure) -> tuple[str, ...]:
    return (figure.what, _shown(figure, figure.value), figure.detail)


def _shown(figure: Figure, value: float) -> str:
    return figure.shown.format(value)


def _lines(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
