"""The rules of credentials: how they are read, when they are due for renewal, and how they are shown. Pure.

Rule 1: whatever is said about a text that holds credentials, no part of the text is in it.
"""

from __future__ import annotations

import configparser
import re

import orjson

from batcher.errors import UsageError
from batcher.model import Credentials, Json
from batcher.rules.service.clock import posix

RENEW_BEFORE = 600.0
"""Credentials are due for renewal from this many seconds before they expire."""

SECTIONS = ("basic", "global")
"""The sections of a credentials file, in the order in which they are tried. Both kinds of keys can sign requests."""
OPTIONS = ("ak", "sk", "security_token")

METADATA = "http://169.254.169.254"
"""The metadata service of every ECS (https://support.huaweicloud.com/intl/en-us/usermanual-ecs/ecs_03_0166.html)."""

_SHOWN = 4
_THIS_MACHINE = re.compile(r"http://127\.0\.0\.1:([1-9][0-9]{0,4})")
_MOST_PORT = 65535


def is_key(value: str) -> bool:
    """Return whether a header can contain this value: ASCII only, without spaces and line breaks."""
    return value != "" and value.isascii() and value.isprintable() and " " not in value


def is_due(credentials: Credentials, now: float) -> bool:
    """Return whether credentials expire so soon that they are due for renewal. `now` is POSIX seconds."""
    return credentials.expires_at is not None and credentials.expires_at - now <= RENEW_BEFORE


def described(credentials: Credentials) -> str:
    """Say where the credentials were found and how the access key ends, if it is not a short one."""
    key = credentials.access_key
    return credentials.source + (f", access key ...{key[-_SHOWN:]}" if len(key) > 2 * _SHOWN else "")


def read_file(text: str, name: str) -> Credentials | str:
    """Read a credentials file of the v3 SDKs: the first section with a key. Return what is wrong if it is unusable.

    The format: https://github.com/huaweicloud/huaweicloud-sdk-python-v3, "Profile". Values are not interpolated.
    """
    parser = configparser.ConfigParser(interpolation=None)
    line = _malformed_line(parser, text)
    if line is not None:
        return f"line {line} is neither a section nor NAME = VALUE, or repeats one"
    for section in filter(parser.has_section, SECTIONS):
        access_key, secret_key, token = (parser.get(section, each, fallback="") for each in OPTIONS)
        if not access_key and not secret_key:
            continue
        if not access_key or not secret_key:
            missing, present = ("sk", "ak") if access_key else ("ak", "sk")
            return f"section [{section}] has {present} but no {missing}"
        for option, value in zip(OPTIONS, (access_key, secret_key, token), strict=True):
            if value and not is_key(value):
                return f"{option} in section [{section}] contains a space, a line break or another invalid character"
        return Credentials(access_key, secret_key, token, source=f"file {name} [{section}]")
    return "no section [basic] or [global] with ak and sk"


def read_project(text: str) -> str:
    """Return the id of the project in a credentials file of the v3 SDKs, empty if it names none that can be sent."""
    parser = configparser.ConfigParser(interpolation=None)
    if _malformed_line(parser, text) is not None:
        return ""
    project = parser.get(SECTIONS[0], "project_id", fallback="")
    return project if is_key(project) else ""


def _malformed_line(parser: configparser.ConfigParser, text: str) -> int | None:
    """Parse a text. Return only the line of an error: its message would repeat the line's contents."""
    try:
        parser.read_string(text)
    except configparser.ParsingError as error:
        # Some errors of this kind have a list of lines, others have one line.
        return int(getattr(error, "lineno", None) or error.errors[0][0])
    except (configparser.DuplicateSectionError, configparser.DuplicateOptionError) as error:
        return error.lineno or 0
    return None


def read_security_key(body: bytes, source: str) -> Credentials | None:
    """Read the temporary credentials in an answer of the metadata service, None where there are none.

    The answer has the form of https://support.huaweicloud.com/api-iam/iam_04_0101.html.
    """
    credential = _part(body, "credential")
    access_key, secret_key, token = (_text(credential, name) for name in ("access", "secret", "securitytoken"))
    if not all(map(is_key, (access_key, secret_key, token))):
        return None
    return Credentials(access_key, secret_key, token, source, posix(_text(credential, "expires_at")))


def read_agency(body: bytes) -> str:
    """Read the name of the agency that provides an ECS with credentials from the server's metadata; empty if absent.

    The field's name: https://support.huaweicloud.com/api-ecs/zh-cn_topic_0167957246.html.
    """
    name = _text(_part(body, "meta"), "agency_name")
    return name if is_key(name) else ""


def _part(body: bytes, name: str) -> dict[str, Json]:
    """Return one object of a JSON document, empty if it is missing."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    part = document.get(name) if isinstance(document, dict) else None
    return part if isinstance(part, dict) else {}


def _text(fields: dict[str, Json], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def metadata_address(setting: str) -> str:
    """Return the metadata service's address. A setting may replace it by a stand-in on this machine only.

    Raises UsageError: credentials from another machine on the network are never used.
    """
    if not setting:
        return METADATA
    stand_in = _THIS_MACHINE.fullmatch(setting)
    if stand_in is None or int(stand_in[1]) > _MOST_PORT:
        raise UsageError(
            "the stand-in for the metadata service is not on this machine",
            "BATCHER_METADATA_URL is for tests: unset it, or give http://127.0.0.1:PORT.",
        )
    return setting
