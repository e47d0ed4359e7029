"""TLS: the certificates to trust and the log of keys, as options and environment name them, and what is wrong there."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from batcher.errors import UsageError

KEY_LOG = "SSLKEYLOGFILE"
"""Python logs the keys of TLS connections to the file that this variable names."""


def check_key_log(environment: Mapping[str, str]) -> None:
    """Raise UsageError if keys are to be logged to a file that cannot be written."""
    name = environment.get(KEY_LOG, "")
    if not name:
        return
    try:
        # Not blocking, where it is a pipe without a reader.
        os.close(os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o600))
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise UsageError(
            f"{KEY_LOG} names {name}, which cannot be written: {reason}",
            f"Unset {KEY_LOG}, or name a file that can be written. The keys of TLS connections are logged there.",
        ) from None


@cache
def authorities() -> ssl.SSLContext:
    """Return what trusts the authorities of the system, which are read once. aiohttp's own context may trust none."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    return context


def trusting(bundle: Path) -> ssl.SSLContext:
    """Return what trusts the authorities in a file of PEM certificates, beside the system's. Raises UsageError."""
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=bundle)
    except ssl.SSLError:
        fault = "no certificates in PEM form"
    except (OSError, ValueError) as error:
        fault = (getattr(error, "strerror", None) or str(error)).lower()
    else:
        return context
    raise UsageError(
        f"--ca-bundle {bundle}: {fault}", "Name a file that contains the authority's certificates in PEM form."
    )


def misplaced_trust(environment: Mapping[str, str]) -> str:
    """Return what is wrong with the variables that replace the system's trusted certificates, empty if nothing is."""
    file, folders = environment.get("SSL_CERT_FILE", ""), environment.get("SSL_CERT_DIR", "")
    if file and file != os.devnull:
        fault = _file_fault(Path(file))
        if fault:
            return f"SSL_CERT_FILE names {file}, {fault}"
    if folders and not any(os.path.isdir(each) for each in folders.split(os.pathsep)):  # noqa: PTH112 - may be no path
        return f"SSL_CERT_DIR names {folders}, which is not a folder"
    return ""


def _file_fault(file: Path) -> str:
    if not file.is_file():
        return "which is not a file"
    with suppress(OSError), file.open("rb") as opened:
        is_pem = b"-----BEGIN" in opened.read(1 << 20)
        return "" if is_pem else "which has no certificates in PEM form"
    return "which cannot be read"
