"""One piece of work done by a process of its own, which can be killed or stopped while the world goes on."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection, Pipe
from typing import NoReturn

import httpx

from tests.simulation.world import World
from worker import failpoints
from worker.failpoints import Failpoint
from worker.sync.context import Context, Wake

# How often to look whether the process still lives, while it says nothing.
_LOOK_S = 0.001

Work = Callable[[Context], Iterable[Wake]]


class Victim:
    """A forked process. Meta lives in the world that it was forked from, so its calls come back over a pipe."""

    def __init__(self, world: World, work: Work, failpoint: Failpoint) -> None:
        self._world = world
        # SQLite forbids to fork with an open connection, and a closed one leaves nothing to inherit.
        world.engine.dispose()
        self._pipe, theirs = Pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _live(world, work, failpoint, theirs)
        theirs.close()

    def attend(self) -> str:
        """Answer its calls and pass on its wake-ups until it has ended or stands still.

        Returns:
            "done", "failed", "stopped", or the signal's name that killed it.
        """
        while True:
            seen, status = os.waitpid(self._pid, os.WNOHANG | os.WUNTRACED)
            # What it had sent before it died has left.
            while self._pipe.poll(0 if seen else _LOOK_S):
                try:
                    self._hear(self._pipe.recv())
                except EOFError:
                    break
            if not seen:
                continue
            if os.WIFSTOPPED(status):
                return "stopped"
            self._pipe.close()
            if os.WIFSIGNALED(status):
                return signal.Signals(os.WTERMSIG(status)).name
            return "failed" if os.WEXITSTATUS(status) else "done"

    def wake_up(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    def _hear(self, said: Wake | tuple[str, str, str, bytes]) -> None:
        if isinstance(said, Wake):
            self._world.schedule([said])
            return
        owner, method, url, content = said
        response = self._world.answer(owner, httpx.Request(method, url, content=content))
        self._pipe.send((response.status_code, response.content))


def _live(world: World, work: Work, failpoint: Failpoint, pipe: Connection) -> NoReturn:
    def answer(owner: str, request: httpx.Request) -> httpx.Response:
        pipe.send((owner, request.method, str(request.url), request.content))
        status, content = pipe.recv()
        return httpx.Response(status, content=content)

    code = 1
    try:
        world.answer = answer  # type: ignore[method-assign]
        failpoints.arm((failpoint,))
        for wake in work(world.context()):
            pipe.send(wake)
        code = 0
    except BaseException:  # noqa: BLE001 - this process ends here, whatever it is
        traceback.print_exc()
    finally:
        os._exit(code)
