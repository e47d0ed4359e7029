"""Credentials in environment variables. The variables come in families, which are never mixed.

The families are those of the OBS SDKs, the v3 SDKs and Terraform, checked in this order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from batcher.edges.credentials.found import Found
from batcher.errors import CredentialsError
from batcher.model import Credentials
from batcher.rules.service.credentials import is_key


class Family(NamedTuple):
    """The variables in which one kind of tool keeps its credentials."""

    access_key: str
    secret_key: str
    security_token: str


FAMILIES = (
    Family("OBS_ACCESS_KEY_ID", "OBS_SECRET_ACCESS_KEY", "OBS_SECURITY_TOKEN"),
    Family("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_SECURITY_TOKEN"),
    Family("HW_ACCESS_KEY", "HW_SECRET_KEY", "HW_SECURITY_TOKEN"),
)


def in_environment(environment: Mapping[str, str]) -> Found | str:
    """Return the credentials of the first family that is set, or why there are none.

    Raises CredentialsError if only one of access key and secret key is set, or a value has an invalid character.
    """
    for family in FAMILIES:
        access_key, secret_key, token = (environment.get(name, "") for name in family)
        if not access_key and not secret_key:
            continue
        for name, value in zip(family, (access_key, secret_key), strict=False):
            if not value:
                raise CredentialsError(
                    f"{name} is not set, but the other variable of the pair is",
                    f"Set both {family.access_key} and {family.secret_key}; different families are not mixed.",
                )
        for name, value in zip(family, (access_key, secret_key, token), strict=True):
            # The value itself is never printed.
            if value and not is_key(value):
                raise CredentialsError(
                    f"{name} contains a character that is not allowed (such as a space or a line break)",
                    f"Set {name} again, without quotes or line breaks.",
                )
        return Found(Credentials(access_key, secret_key, token, source=f"environment {family.access_key}"))
    return "none in the environment"
