"""PostgreSQL connections that do not wait for ever for a server that says nothing.

A router that forgot a connection, or a host that vanished, ends nothing: what was sent disappears, and no answer comes.
The kernel asks after it for a quarter of an hour when it has something to send, and for hours when it has not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from typing import Any

from psycopg import Connection, OperationalError


class BoundedConnection(Connection[Any]):
    """Ends itself when no answer has come for ``answer_s`` seconds, so that the pool makes a new one."""

    answer_s = math.inf

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **kwargs: Any) -> Any:
        return super().wait(self._bounded(gen), *args, **kwargs)

    def _bounded(self, answer: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        # psycopg looks up ten times a second, so that Ctrl-C works; then nothing is ready.
        deadline = time.monotonic() + self.answer_s
        try:
            awaited = next(answer)
            while True:
                ready = yield awaited
                if not ready and time.monotonic() > deadline:
                    self.pgconn.finish()
                    raise OperationalError(f"The database has not answered for {self.answer_s:g} s.")
                awaited = answer.send(ready)
        except StopIteration as done:
            return done.value
