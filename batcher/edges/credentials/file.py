"""Credentials in a file of the v3 SDKs (https://github.com/huaweicloud/huaweicloud-sdk-python-v3, "Profile").

The file is read again to renew the credentials: whatever rotates them writes them there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from batcher.edges.credentials.found import Found
from batcher.errors import CredentialsError
from batcher.model import Credentials
from batcher.rules.modes import open_to_others

VARIABLE = "HUAWEICLOUD_SDK_CREDENTIALS_FILE"
DEFAULT = "~/.huaweicloud/credentials"


async def in_file(environment: Mapping[str, str]) -> Found | str:
    """Return the credentials in the file, or that there is no file. Raises CredentialsError if it cannot be used.

    Only the default file may be missing. That is also so where there is no home folder, or none that this process may
    enter, as in many services. A file that the environment names must exist.
    """
    path, shown = _place(environment)
    if shown == DEFAULT and not environment.get("HOME", "").startswith("/"):
        return f"no file {shown} (HOME is not set)"
    # In a thread, because the home folder may be on the network. Parsed there too, so that no future holds the text.
    if shown == DEFAULT and (fault := await asyncio.to_thread(_missing, path)) is not None:
        return f"no file {shown}{fault}"
    read = partial(asyncio.to_thread, _read, path, shown)
    return Found(await read(), read, await asyncio.to_thread(_warnings, path, shown))


async def project_in_file(environment: Mapping[str, str]) -> str:
    """Return the id of the project in the file, empty if there is none. It need not be the file of the credentials."""
    path, _ = _place(environment)
    try:
        text = await asyncio.to_thread(path.read_text, "utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return ""
    # Imported here, with the parser, since most runs have no such file.
    from batcher.rules.service.credentials_file import read_project  # noqa: PLC0415

    return read_project(text)


def _place(environment: Mapping[str, str]) -> tuple[Path, str]:
    """Return the path of the file, and how to show it."""
    shown = environment.get(VARIABLE) or DEFAULT
    home = environment.get("HOME", "")
    return Path(DEFAULT.replace("~", home, 1) if shown == DEFAULT else shown), shown


def _missing(path: Path) -> str | None:
    """Return why there is no such file, None if there is one. `path.exists` raises for a folder that is closed."""
    try:
        path.stat()
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f" ({(error.strerror or type(error).__name__).lower()})"
    return None


def _read(path: Path, shown: str) -> Credentials:
    # Imported here, as above.
    from batcher.rules.service.credentials_file import read_file  # noqa: PLC0415

    text = fault = ""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        fault = (error.strerror or type(error).__name__).lower()
    except UnicodeDecodeError:
        fault = "not UTF-8 text"
    credentials = fault or read_file(text, shown)
    if isinstance(credentials, str):
        raise CredentialsError(
            f"{shown}: {credentials}",
            f"Fix the file, name another one in {VARIABLE}, or choose another place with --credentials env or ecs.",
        )
    return credentials


def _warnings(path: Path, shown: str) -> tuple[str, ...]:
    warning = open_to_others(path.stat().st_mode, shown)
    return () if warning is None else (warning,)
