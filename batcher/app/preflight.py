"""The preflight of a job: what the workflow declares, requested once, and checks of the inputs that every row gets.

A new job runs it before it creates files: with a corrected workflow or input it would be another job.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from batcher.app.world import World
from batcher.edges.manifest import AnyManifest
from batcher.errors import JobError, ManifestError, UsageError
from batcher.flow.drain import Drain
from batcher.flow.preflight import described
from batcher.flow.service import Service
from batcher.model import Answer, Json, Parameter, Workflow
from batcher.rules.rows.declared import judge_of, unknown_fault
from batcher.rules.rows.identity import canonical
from batcher.rules.service.verdicts import told

Judge = Callable[[Collection[str] | None], ManifestError | None]


class Preflight:
    """Requests one workflow, the first time that it is needed. `inputs` are those of every row.

    `warn` takes a sentence for people. `patience` is for how many seconds a busy or failing service is asked again.
    `judge` takes the names of the declared parameters, None if they cannot be read, and returns what is wrong with the
    columns of the manifest; without it they are not judged here.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - a service and a job meet here
        self,
        service: Service,
        name: str,
        drain: Drain,
        world: World,
        manifest: AnyManifest,
        inputs: Mapping[str, Json],
        warn: Callable[[str], None],
        patience: float = 0.0,
        judge: Judge | None = None,
    ) -> None:
        self._service = service
        self._name = name
        self._drain = drain
        self._world = world
        self._manifest = manifest
        self._inputs = inputs
        self._warn = warn
        self._patience = patience
        self._judge = judge
        self._found: Workflow | Answer | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether the job is stopping: then a missing answer means nothing."""
        return self._drain.begun

    @property
    def declared(self) -> Collection[str] | None:
        """The names of the declared parameters: none before the request, None if the service does not describe them."""
        if self._found is None:
            return ()
        return self._found.parameters.keys() if isinstance(self._found, Workflow) else None

    async def workflow(self) -> Workflow | None:
        """Return the workflow, or warn and return None if the service does not describe it.

        Raises what `described` raises, the error that began the drain, ManifestError if a column is probably
        misspelt, and UsageError if no row can be started with the inputs that every row gets.
        """
        if self._found is None:
            ask, now = self._service.workflow, self._service.now
            found = await described(
                ask, self._name, self._drain, self._world.draw, self._world.monotonic, now, self._patience, self._wait
            )
            if isinstance(self._drain.reason, JobError):
                raise self._drain.reason
            self._found = found
            if isinstance(found, Workflow):
                self._look_at(found)
            elif not self._drain.begun:
                self._warn(f"the service does not describe the workflow, so inputs are not checked: {told(found)}")
                self._judge_columns()
        return self._found if isinstance(self._found, Workflow) else None

    def _wait(self, answer: Answer) -> None:
        self._warn(f"retrying until the service describes the workflow: {told(answer)}")

    def _judge_columns(self) -> None:
        error = None if self._judge is None else self._judge(self.declared)
        if error is not None:
            raise error

    def _look_at(self, workflow: Workflow) -> None:
        if not workflow.keeps_history:
            self._warn("the workflow is of mode EXPRESS, which keeps no history: rows in doubt cannot be looked up")
        if workflow.triggers:
            self._warn(
                f"the workflow is also triggered by objects that are put into {', '.join(workflow.triggers)}: such an"
                " object is processed twice, and output that the workflow writes there may start it again"
            )
        self._judge_columns()
        fault = unknown_fault(self._inputs, workflow.parameters)
        if fault is None and not _carries_inputs(self._manifest, workflow.parameters):
            fault = judge_of(workflow.parameters)(canonical(self._inputs)).fault
        if fault is not None:
            raise UsageError(
                f"no row can be started with these inputs: {fault}",
                "Set what the workflow declares with --input NAME=VALUE or NAME:=JSON.",
            )


def _carries_inputs(manifest: AnyManifest, parameters: Mapping[str, Parameter]) -> bool:
    """Return whether rows may have inputs of their own."""
    return manifest.has_inputs or any(
        heading == "inputs" or heading.startswith("inputs.") or heading in parameters for heading in manifest.header
    )
