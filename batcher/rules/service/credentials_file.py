"""The rules of a credentials file of the v3 SDKs: how its credentials and its project are read. Pure.

Rule 1: whatever is said about a text that holds credentials, no part of the text is in it.
"""

from __future__ import annotations

import configparser

from batcher.model import Credentials
from batcher.rules.service.credentials import is_key

SECTIONS = ("basic", "global")
"""The sections of a credentials file, in the order in which they are tried. Both kinds of keys can sign requests."""
OPTIONS = ("ak", "sk", "security_token")


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
