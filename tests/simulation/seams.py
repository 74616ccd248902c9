"""Where the simulation takes hold of the machine: its threads, its named steps, and the answers that it gets."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Self

import httpx

from worker.sandbox.batches import NO_FAULT, BatchFault


class AtOnce:
    """A pool that does the work in the thread that submits it: half of what a seed costs would be starting threads."""

    def __init__(self, **_: Any) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments))
        except BaseException as error:  # noqa: BLE001 - a pool's thread hands over whatever ended it, a crash too
            future.set_exception(error)
        return future


class Passing:
    """Stands where armed failpoints do: told of every named step, on both of its sides.

    ``on_side`` gets the step and its side, and returns whether the connection breaks there.
    """

    def __init__(self, on_side: Callable[[str, str], bool]) -> None:
        self.passes = on_side


@dataclass(frozen=True)
class Carried:
    """Meta carries the call out, and what comes back is this."""

    instead: httpx.Response | Exception
    fault: BatchFault = NO_FAULT

    def answer(self) -> httpx.Response:
        if isinstance(self.instead, Exception):
            raise self.instead
        return self.instead


Answer = BatchFault | Carried | httpx.Response | None
"""What a call gets instead of what Meta would answer; None: what Meta would."""
