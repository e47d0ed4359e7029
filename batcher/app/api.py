"""Which API a job uses, and for DWR which project: by the options, the checkpoint, the endpoint, or by asking."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from batcher.app.service import Site, open_credentials, open_service
from batcher.app.world import World
from batcher.edges.checkpoint.reading import card_at
from batcher.edges.credentials import project_in_file
from batcher.errors import JobError
from batcher.flow.drain import Drain
from batcher.options.groups import Service
from batcher.rules.choices import Api
from batcher.rules.job.card import Card
from batcher.rules.service.dialect import Dialect
from batcher.rules.service.dialects import api_of_host, chosen, dialect_of
from batcher.rules.service.names import endpoint as endpoint_of


class Chosen(NamedTuple):
    """The API of a job. `project` is empty for OBS, which has none."""

    dialect: Dialect
    project: str = ""


def chosen_before(card: Card) -> Dialect:
    """Return the dialect of a job that has begun."""
    return dialect_of(Api(card.dialect), card.endpoint, card.project)


def card_in(path: Path | None) -> Card | None:
    """Return the card in a checkpoint. None if there is none or it cannot be read: opening it reports why."""
    if path is None or not path.exists() or path.stat().st_size == 0:
        return None
    with suppress(JobError):
        return card_at(path)
    return None


async def choose(
    options: Service, world: World, drain: Drain, checkpoint: Path | None, *, may_ask: bool = True
) -> Chosen:
    """Choose the API, and say which one and why unless it is the usual one. Nothing is asked if `may_ask` is false.

    Raises UsageError for an invalid endpoint, or for DWR without a project, and CredentialsError if IAM names none.
    """
    url = endpoint_of(options.endpoint, allow_http=options.allow_http).url
    api = api_of_host(url) if options.api is Api.AUTO else options.api
    if api is Api.OBS_V2:
        return Chosen(dialect_of(api))
    kept = card_in(checkpoint)
    project = options.project_id or (kept.project if kept else "") or await project_in_file(world.environment)
    if api is not options.api:
        world.voice.say(f"API {api}, because of the endpoint")
    elif api is Api.AUTO and kept is not None:
        api = Api(kept.dialect)
    elif api is Api.AUTO:
        api = await _asked(options, url, project, world, drain) if project and may_ask else Api.OBS_V2
    if api is Api.OBS_V2:
        return Chosen(dialect_of(api))
    if not project and may_ask:
        # Imported here, since most jobs have no project.
        from batcher.app.project import looked_up  # noqa: PLC0415

        project = await looked_up(options, url, world, drain)
    return Chosen(dialect_of(api, url, project), project)


async def _asked(options: Service, url: str, project: str, world: World, drain: Drain) -> Api:
    """Ask an endpoint of another name for the workflow, once in each API."""
    site = Site(url, options.workflow, 1, options.timeout, options.trust)
    answers = []
    async with open_credentials(options.credentials, world, drain, world.voice.warn) as credentials:
        for api in (Api.OBS_V2, Api.DWR_V3):
            dialect = dialect_of(api, url, project)
            async with open_service(site, credentials, world, drain, lambda _: None, dialect) as service:
                answers.append(await service.workflow())
    api = chosen(*answers)
    said = [answer.message if answer.fault else f"HTTP {answer.status} {answer.code}".rstrip() for answer in answers]
    world.voice.say(f"API {api}, because obs-v2 was answered with {said[0]}, and dwr-v3 with {said[1]}")
    return api
