"""The pinned versions: all that the two commands install runs on the oldest Python that batcher promises."""

import tomllib
from importlib.metadata import distributions
from pathlib import Path

from packaging.specifiers import SpecifierSet

PROJECT = Path(__file__).parents[1]


def test_every_installed_package_that_is_pinned_runs_on_the_oldest_python():
    oldest = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    pins = (PROJECT / "constraints.txt").read_text().lower().splitlines()
    installed = {f"{each.metadata['Name'].lower()}=={each.version}": each for each in distributions()}
    pinned = {pin: each for pin, each in installed.items() if pin in pins}

    assert "aiohttp" in {pin.split("==")[0] for pin in pinned}
    assert [
        (pin, needed)
        for pin, each in pinned.items()
        if f"{oldest}.0" not in SpecifierSet(needed := each.metadata.get("Requires-Python", ""))
    ] == []
