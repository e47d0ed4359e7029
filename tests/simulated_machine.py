"""The machine of the simulation: a clock that jumps, threads that run at once, and a process that can die anywhere.

The real checkpoint and the real output work on real files; only their threads are replaced, and every act of theirs
that outlives the process is a step at which it may crash.
"""

import asyncio
import selectors
from functools import partial
from typing import NamedTuple

from batcher.edges.checkpoint import writer


class Crash(BaseException):
    """The process has ended here. Nothing that it does from now on has any effect."""


class CrashAt(NamedTuple):
    """The crash comes with the step that is `left` steps with this word in their names away."""

    word: str
    left: int


class Process:
    """One life of the client: its steps, and its death."""

    def __init__(self, dice, note):
        self.dice = dice
        self.is_dead = False
        self.crash_at = None
        self.main = None
        self._note = note

    def step(self, name):
        """Pass a place where the process may crash; nothing passes here once it has."""
        if self.is_dead:
            raise Crash
        if self.crash_at is not None and self.crash_at.word in name:
            self.crash_at = self.crash_at._replace(left=self.crash_at.left - 1)
            if self.crash_at.left == 0:
                self.die(name)
                raise Crash

    def die(self, where):
        if not self.is_dead:
            self._note(f"client: CRASH {where}")
            self.is_dead = True
            self.main.cancel()

    def run_call(self, call):
        """Run what the job gives to a thread: the calls of the output file."""
        name = getattr(call.func, "__name__", "call")
        if name == "close":
            return call()
        try:
            self.step(f"before {name}")
        except Crash:
            self._tear(name, call)
            raise
        result = call()
        if name != "open":
            self.step(f"after {name}")
        return result

    def _tear(self, name, call):
        """Let a part of the block that was being written reach the disk."""
        if name == "append" and self.crash_at is not None:
            (block,) = call.args
            call.func(block[: self.dice.randint(0, len(block))])
            self.crash_at = None


class Hurry(selectors.BaseSelector):
    """A selector that watches nothing: time jumps to when the loop wants to be woken."""

    def __init__(self):
        self.now = 0.0

    def select(self, timeout=None):
        if timeout is None:
            raise RuntimeError("the job waits for something that never comes")
        self.now += timeout
        return []

    def register(self, fileobj, events, data=None):
        return selectors.SelectorKey(fileobj, 0, events, data)

    def unregister(self, fileobj):
        return selectors.SelectorKey(fileobj, 0, 0, None)

    def get_map(self):
        return {}


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose sleep costs nothing. What would run in a thread runs at once."""

    def __init__(self, process):
        self._hurry = Hurry()
        self._process = process
        super().__init__(self._hurry)

    def time(self):
        return self._hurry.now

    def run_in_executor(self, _executor, call, *args):
        done = self.create_future()
        try:
            done.set_result(self._process.run_call(partial(call, *args)))
        except BaseException as error:  # noqa: BLE001 - as a thread would hand it over
            done.set_exception(error)
        return done

    def bury(self):
        """Let nothing live on that still runs here, and give it."""
        left = [task for task in asyncio.all_tasks(self) if not task.done()]
        self._process.is_dead = True
        for task in left:
            task.cancel()
        # A dead process has nobody to complain to.
        self.set_exception_handler(lambda _loop, _context: None)
        if left:
            self.run_until_complete(asyncio.wait(left))
        self.run_until_complete(self.shutdown_asyncgens())
        self.close()
        return left


class Checkpoint(writer.Checkpoint):
    """The real checkpoint, but its thread is a task of the simulated loop. `watch` sees what it is told."""

    def __init__(self, store, path, process, watch):
        self._store, self._path, self._process, self._watch = store, path, process, watch
        self._broken = None
        self._waiting = []
        self._writing = None

    async def admit(self, rows, now, *facts):
        self._watch.admitted(rows)
        await super().admit(rows, now, *facts)

    async def settle(self, settlements, facts, doubt_at=None, before=None, *answered):
        self._watch.settled(settlements)
        await super().settle(
            settlements, facts, doubt_at, before and partial(self._process.run_call, before), *answered
        )

    async def close(self):
        self._store.close()

    async def _do(self, work, *, is_quick=False, before=None, is_merged=False):
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(writer._Asked(work, is_quick, before, done, is_merged))
        if self._writing is None:
            self._writing = asyncio.ensure_future(self._write_all())
        return await done

    async def _write_all(self):
        while self._waiting:
            await asyncio.sleep(self._process.dice.uniform(0, 0.005))
            most = self._process.dice.randint(1, 3)
            group, self._waiting = self._waiting[:most], self._waiting[most:]
            asked = sorted(group, key=lambda each: not each.is_quick)
            writer._resolve(asked, self._commit_in_steps(asked))
        self._writing = None

    def _commit_in_steps(self, asked):
        """Commit, with crash points before anything is noted, before it is durable, and after."""
        first = writer._Asked(lambda _: self._process.step("begin"), is_quick=True, before=None, done=None)
        last = first._replace(work=lambda _: None, is_quick=False, before=lambda: self._process.step("commit"))
        results = self._broken or self._noted([first, *asked])
        if not isinstance(results, BaseException):
            results = self._committed([*asked, last], results)
        if isinstance(results, BaseException):
            return results
        try:
            self._process.step("committed")
        except Crash as crash:
            return crash
        return results[1:-1]
