"""The names of regions, and what was probably meant by one that is misspelled. Pure.

Regions are added every year, so that an unknown name is no error. A word in it that is nearly a word of other names is.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

_KNOWN = (
    "cn-north-1", "cn-north-2", "cn-north-4", "cn-north-9", "cn-north-11", "cn-north-12", "cn-east-2", "cn-east-3",
    "cn-east-4", "cn-east-5", "cn-south-1", "cn-south-2", "cn-south-4", "cn-southwest-2", "cn-southwest-3",
    "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "af-south-1",
    "af-north-1", "eu-west-0", "eu-west-101", "la-north-2", "la-south-2", "na-mexico-1", "sa-argentina-1",
    "sa-brazil-1", "sa-chile-1", "sa-peru-1", "tr-west-1", "me-east-1", "my-kualalumpur-1", "ae-ad-1",
    "ru-moscow-1", "ru-northwest-2",
)  # fmt: skip
"""The regions of https://developer.huaweicloud.com/endpoint?OBS, and earlier ones."""
_WORDS = sorted({word for region in _KNOWN for word in region.split("-")[:-1]} | {"central", "northeast"})
_SHORTEST = 4
"""A shorter word is a country or a continent. Another one is not nearly the same, but another place."""
_HOST = re.compile(r"(?:obs|dwr)\.([^.]+)\.myhuaweicloud\.(?:com|eu)")


def meant(region: str) -> str | None:
    """Return the region that a misspelled name probably means, None if it is a possible name of a region."""
    folded = re.sub(r"[\s_.-]+", "-", region.strip().lower())
    folded = re.sub(r"(?<=[a-z])(?=[0-9]+$)", "-", folded)
    *words, number = folded.split("-")
    corrected = [_corrected(word) for word in words]
    if folded == region and corrected == words:
        return None
    name = "-".join([*corrected, number])
    return next(iter(get_close_matches(name, _KNOWN, n=1, cutoff=0.8)), None)


def meant_in(host: str) -> tuple[str, str] | None:
    """Return the misspelled region in the host of an endpoint, and the region that it probably means."""
    found = _HOST.fullmatch(host)
    region = found and meant(found[1])
    return (found[1], region) if found and region else None


def unknown_in(host: str) -> str | None:
    """Return the region in the host of an endpoint if it is not known here. It may be new, or not exist."""
    found = _HOST.fullmatch(host)
    return found[1] if found and found[1] not in _KNOWN else None


def _corrected(word: str) -> str:
    if word in _WORDS or len(word) < _SHORTEST:
        return word
    return next(iter(get_close_matches(word, _WORDS, n=1, cutoff=0.75)), word)
