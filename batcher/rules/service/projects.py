"""How the id of a project is looked up at IAM: whom to ask, what to ask, and what the answers mean. Pure.

https://support.huaweicloud.com/api-iam/iam_06_0001.html (by name, needs a permission) and iam_06_0003 there (those of
the user, needs none). The hosts are those of the official v3 SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from batcher.errors import CredentialsError
from batcher.model import Credentials, Reply
from batcher.rules.service.answers import object_of, text_of, value_of
from batcher.rules.service.dialect import Call
from batcher.rules.service.sdk_signing import sdk_date, sdk_query, seal, sealed
from batcher.rules.service.verdicts import SUCCESS

IAM_ENDPOINT = "HUAWEICLOUD_SDK_IAM_ENDPOINT"
"""The environment variable with which the SDKs replace the address of IAM."""
OWN_HOST = frozenset({
    "cn-north-1", "cn-north-2", "cn-north-4", "cn-north-9", "cn-north-12", "cn-east-2", "cn-east-3", "cn-east-4",
    "cn-east-5", "cn-south-1", "cn-south-2", "cn-southwest-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3",
    "ap-southeast-4", "af-south-1", "sa-brazil-1", "la-south-2", "la-north-2", "na-mexico-1", "eu-west-0",
    "my-kualalumpur-1", "ru-moscow-1", "me-east-1", "ae-ad-1", "tr-west-1",
})  # fmt: skip
"""The regions in which IAM has a host of its own."""


class Project(NamedTuple):
    """A project of an account. Its name is that of its region, for a sub-project followed by _ and a name."""

    id: str
    name: str


def iam_endpoint(region: str) -> str:
    """Return the address of IAM for a region."""
    return f"https://iam.{region}.myhuaweicloud.com" if region in OWN_HOST else "https://iam.myhuaweicloud.com"


def calls(region: str) -> tuple[Call, Call]:
    """Return the calls to make, one after the other: for the project of this name, and for all of the user's."""
    return Call("GET", "/v3/projects", (("name", region),)), Call("GET", "/v3/auth/projects")


def target_of(call: Call) -> str:
    """Return the path and the query of a call as they are sent."""
    return f"{call.path}?{sdk_query(call.query)}" if call.query else call.path


def signed(credentials: Credentials, call: Call, host: str, now: float) -> Mapping[str, str]:
    """Return the headers of a call to `host`. `now` is POSIX time in seconds."""
    return sealed(
        seal(credentials, call.method, call.path, call.query, {"Host": host, "X-Sdk-Date": sdk_date(now)}), None
    )


def projects_of(reply: Reply) -> list[Project]:
    """Return the projects that an answer names, none if it is an error or cannot be read."""
    listed = value_of(object_of(reply.body), "projects") if reply.status in SUCCESS else None
    found = [Project(text_of(each, "id"), text_of(each, "name")) for each in listed or []]
    return [each for each in found if each.id and each.name]


def project_of(region: str, projects: list[Project], said: str) -> Project:
    """Return the project of a region. Raises CredentialsError if there is none or more than one.

    `said` describes the last answer of IAM.
    """
    own = list(dict.fromkeys(each for each in projects if each.name == region))
    if len(own) == 1:
        return own[0]
    what = f"{len(own)} projects" if own else "no project"
    others = sorted({each.name for each in projects if each.name.startswith(f"{region}_")})
    beside = f"; it names {', '.join(others)}" if others else ""
    raise CredentialsError(
        f"IAM shows {what} called {region} to this access key{beside}: {said}",
        "Give --project-id. The console shows the ids of all projects under My Credentials.",
    )
