"""Answers with one thing wrong in them, for everything that can be wrong in JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpx

from tests.contract.subjects import Subject
from tests.contract.wire import answering

Path = tuple[str | int, ...]

# What takes the place of a value, as JSON or as what some exporters take for it.
VALUES = {
    "null": "null",
    "a truth": "true",
    "a negative": "-1",
    "a fraction": "0.125",
    "an enormous number": "9" * 400,
    "beyond a double": "1e999",
    "NaN": "NaN",
    "no text": '""',
    "an unknown word": '"UNHEARD_OF"',
    "half a surrogate": '"\\ud800"',
    "control characters": '"\\u0000\\u001b[2J\\r\\n"',
    "an object": "{}",
    "a list": "[]",
    "nested junk": '{"a": [null, {"b": [[[[1]]]]}], "": 7}',
}
TOO_DEEP = "[" * 100_000 + "]" * 100_000
_PLACE = "\ufdd0"  # a character that stands for nothing in any text


class Replay(httpx.BaseTransport):
    """The answers of a fake, each made once; the same request gets the same one again, in the order they came."""

    def __init__(self, fake: httpx.BaseTransport) -> None:
        self.fake = fake
        self._given: dict[object, list[httpx.Response]] = {}
        self._next: dict[object, int] = {}

    def rewind(self) -> None:
        self._next.clear()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        key = request.method, str(request.url), request.read()
        given = self._given.setdefault(key, [])
        place = self._next.get(key, 0)
        self._next[key] = place + 1
        if place == len(given):
            response = self.fake.handle_request(request)
            given.append(answering(response.read(), response))
        return answering(given[place].read(), given[place])


def documents(body: bytes) -> list[Any] | None:
    """The JSON of an answer: one value, or one in each line; None for anything else."""
    try:
        return [json.loads(body)]
    except ValueError:
        pass
    try:
        return [json.loads(line) for line in body.splitlines() if line.strip()]
    except ValueError:
        return None


def rendered(found: list[Any], path: Path, value: str) -> bytes:
    """``found`` with the JSON text ``value`` at ``path``, whose first step is the document's number."""
    copy = json.loads(json.dumps(found))
    at = copy
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = _PLACE
    marked = json.dumps(_PLACE)
    return b"\n".join(json.dumps(document).replace(marked, value).encode() for document in copy)


def paths(found: list[Any]) -> Iterator[tuple[Path, list[Any]]]:
    """Where a value stands, and what it stands in, the outermost first."""

    def walk(value: Any, path: Path, around: list[Any]) -> Iterator[tuple[Path, list[Any]]]:
        steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for step, inner in steps:
            yield (*path, step), [*around, value]
            yield from walk(inner, (*path, step), [*around, value])

    yield from walk(found, (), [])


def row_paths(found: list[Any], subject: Subject, numbers: Iterable[int]) -> Iterator[tuple[int, Path]]:
    """What the rows of some items say, with the item's number, but for the id that makes a row that item's.

    Once for every shape: a value that two of the rows hold at the same place is damaged in the first.
    """
    known = set()
    for number in numbers:
        for path, around in paths(found):
            rows = [at for at, one in enumerate(around) if isinstance(one, dict) and subject.is_row(one, number)]
            if rows and path[rows[0] :] != ("id",) and "__parentId" not in path and _shape(path) not in known:
                known.add(_shape(path))
                yield number, path


def envelope_paths(found: list[Any], subject: Subject, numbers: Iterable[int]) -> Iterator[tuple[int, Path]]:
    """Everything that is not said by one item's row, once for every shape: of equal things in a list the first."""
    known = {_shape(path) for _, path in row_paths(found, subject, numbers)}
    for path, _ in paths(found):
        if _shape(path) not in known and len(path) > 1:
            known.add(_shape(path))
            yield -1, path


def _shape(path: Path) -> tuple[str, ...]:
    return tuple("*" if isinstance(step, int) else step for step in path)


def at_request(number: int, body: bytes) -> Callable[[int, httpx.Request, httpx.Response], httpx.Response]:
    """Answer one request of a pull with ``body``, all others as they are."""

    def change(asked: int, _: httpx.Request, response: httpx.Response) -> httpx.Response:
        return answering(body, response) if asked == number else response

    return change
