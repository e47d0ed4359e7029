"""What a Dask cluster must be like, so that it can run shards. Pure.

Its scheduler runs the code of everyone who reaches it, beside the keys that the workers have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from batcher.errors import UsageError
from batcher.rules.service.names import is_loopback

LONGEST_TTL = 60.0
"""Seconds after which a silent worker must count as lost, at the most."""
SETTINGS = {"distributed.scheduler.allowed-failures": 0, "distributed.scheduler.worker-ttl": "30s"}
"""The settings of a scheduler. https://distributed.dask.org/en/stable/configuration.html

Without the first, a shard whose worker dies is tried on other workers before the driver learns of it.
"""

_ADVICE = (
    "Start the scheduler with DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0 and"
    " DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL=30s."
)


def need_private(address: str, *, has_certificates: bool) -> None:
    """Raise UsageError for a scheduler that others could reach or read: TLS with certificates, unless it is local."""
    parts = urlsplit(address)
    if parts.scheme not in {"tcp", "tls"} or not parts.hostname:
        raise UsageError(f"--scheduler {address}: expected an address such as tls://host:8786")
    if parts.scheme == "tcp" and not is_loopback(parts.hostname):
        raise UsageError(
            f"--scheduler {address}: a scheduler without TLS lets every client run code beside the keys of the workers",
            "Use tls://, with the certificates of distributed.comm.tls in the configuration of Dask.",
        )
    if parts.scheme == "tls" and not has_certificates:
        raise UsageError(
            f"--scheduler {address}: no certificates are configured",
            "Set distributed.comm.tls.ca-file, client.cert and client.key in the configuration of Dask.",
        )


def need_protected(who: str, address: str, listens: Iterable[tuple[str, int]]) -> str:
    """Raise UsageError for a process of a cluster that others can reach without TLS at its `address`.

    `listens` are the addresses and ports at which it listens, which `address` does not show: without --host, Dask
    listens on all. Return a warning about its other ports that others can reach, empty if there are none.
    """
    parts = urlsplit(address)
    open_ = [(host, port) for host, port in listens if not is_loopback(host)]
    if parts.scheme != "tls" and any(port == parts.port for _, port in open_):
        raise UsageError(
            f"{who}: without TLS, everyone who reaches port {parts.port} can run code there, beside the keys",
            "Start it with --host 127.0.0.1, or use tls:// on several machines.",
        )
    others = sorted({port for _, port in open_} - {parts.port})
    if not others:
        return ""
    ports = ", ".join(map(str, others))
    return f"{who}: others can read its HTTP pages (port {ports}); --dashboard-address 127.0.0.1:0 keeps them local"


def need_cluster(allowed_failures: int, worker_ttl: float | None) -> None:
    """Raise UsageError for a scheduler that runs a shard again by itself, or waits long for a dead worker."""
    if allowed_failures != 0:
        raise UsageError(f"the Dask scheduler has allowed-failures {allowed_failures}, not 0", _ADVICE)
    if worker_ttl is None or worker_ttl > LONGEST_TTL:
        said = "no worker-ttl" if worker_ttl is None else f"worker-ttl {worker_ttl:g} s"
        raise UsageError(f"the Dask scheduler has {said}; at most {LONGEST_TTL:g} s are accepted", _ADVICE)


def need_same_versions(who: str, ours: Mapping[str, str], theirs: Mapping[str, str]) -> None:
    """Raise UsageError if `who` has another version of something than this process."""
    for name, version in ours.items():
        if theirs.get(name) != version:
            raise UsageError(
                f"{who} has {name} {theirs.get(name)}, and this process {version}", "Install the same versions."
            )
