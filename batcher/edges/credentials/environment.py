"""Credentials in the environment: one family of names at a time and never mixed.

The families are those of the OBS SDKs, the v3 SDKs and Terraform, looked for in this order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from batcher.edges.credentials.found import Found
from batcher.errors import CredentialsError
from batcher.model import Credentials
from batcher.rules.service.credentials import is_key


class Family(NamedTuple):
    """The names under which one kind of tool keeps its keys."""

    access_key: str
    secret_key: str
    security_token: str


FAMILIES = (
    Family("OBS_ACCESS_KEY_ID", "OBS_SECRET_ACCESS_KEY", "OBS_SECURITY_TOKEN"),
    Family("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_SECURITY_TOKEN"),
    Family("HW_ACCESS_KEY", "HW_SECRET_KEY", "HW_SECURITY_TOKEN"),
)


def in_environment(environment: Mapping[str, str]) -> Found | str:
    """Give the first family's keys, or say that there are none. Raises CredentialsError for half a pair."""
    for family in FAMILIES:
        access_key, secret_key, token = (environment.get(name, "") for name in family)
        if not access_key and not secret_key:
            continue
        for name, value in zip(family, (access_key, secret_key), strict=False):
            if not value:
                raise CredentialsError(
                    f"{name} is not set, and its partner is",
                    f"Set both {family.access_key} and {family.secret_key}; keys of different families are not mixed.",
                )
        for name, value in zip(family, (access_key, secret_key, token), strict=True):
            # The value itself is never shown.
            if value and not is_key(value):
                raise CredentialsError(
                    f"{name} holds a character that no key has (a space, a line break or the like)",
                    f"Set {name} again, without quotes or line breaks.",
                )
        return Found(Credentials(access_key, secret_key, token, source=f"environment {family.access_key}"))
    return "none in the environment"
