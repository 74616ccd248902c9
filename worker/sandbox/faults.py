"""Fault switches: what goes wrong with which call, as data that arrives over the control endpoint.

A fault names a ``route`` and an ``action`` and fires on the next ``times`` calls (default 1) or on every ``every``-th
one, after letting ``skip`` calls pass. Several may fire on one call: those about the batch add up, and of those about
the answer the first one counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from worker.sandbox.batches import BatchFault

GraphRoute = Literal["items_batch", "batch_status", "products", "node", "me", "debug_token", "graph"]
Route = Literal[GraphRoute, "store"]
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


class _Fault(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="action"):
    """``route`` "graph" is any call of the Graph API; ``catalog`` limits a fault to one catalog's calls."""

    route: Route
    times: Positive | None = None
    every: Positive | None = None
    skip: Annotated[int, Meta(ge=0)] = 0
    catalog: str | None = None


class _BatchFault(_Fault, kw_only=True, frozen=True):
    route: Literal["items_batch"] = "items_batch"


class _StoreFault(_Fault, kw_only=True, frozen=True):
    route: Literal["store"] = "store"


class _GraphFault(_Fault, kw_only=True, frozen=True):
    route: GraphRoute


class Error(_GraphFault, tag="error", kw_only=True, frozen=True):
    """An error envelope. ``regain_minutes`` adds the usage header of an exhausted quota.

    ``accepted``, here and below: the call is carried out all the same, and only its answer is lost.
    """

    code: int
    message: str = "An error occurred (fault switch)"
    subcode: int | None = None
    type: str = "OAuthException"
    http_status: int = 400
    is_transient: bool | None = None
    error_user_title: str | None = None
    error_user_msg: str | None = None
    error_data: Any = None
    regain_minutes: int | None = None
    accepted: bool = False


class Text(_Fault, tag="text", kw_only=True, frozen=True):
    """An answer that is taken word for word: a gateway's 502, HTML, 429, a redirect, an empty body with 200."""

    http_status: int = 502
    body: str = "Bad Gateway"
    content_type: str = "text/plain; charset=UTF-8"
    headers: dict[str, str] = {}
    accepted: bool = False


class Close(_Fault, tag="close", kw_only=True, frozen=True):
    """The connection is closed without an answer."""

    accepted: bool = True


class Hang(_Fault, tag="hang", kw_only=True, frozen=True):
    """No answer for ``seconds``, then the connection is closed: what a caller sees as a timeout."""

    seconds: Seconds = 60.0
    accepted: bool = True


class Truncate(_Fault, tag="truncate", kw_only=True, frozen=True):
    """Only the first ``share`` of the answer. ``announced``: Content-Length tells the whole length, then the
    connection is closed; otherwise it tells the shortened one and nothing but the content shows the loss."""

    share: Share = 0.5
    announced: bool = False


class Slow(_Fault, tag="slow", kw_only=True, frozen=True):
    """The usual answer after ``seconds``."""

    seconds: Seconds


class Header(_Fault, tag="header", kw_only=True, frozen=True):
    """A header of the usual answer is set to this text, well-formed or not."""

    name: str
    value: str


class Refuse(_BatchFault, tag="refuse", kw_only=True, frozen=True):
    """These items are refused at once, in ``validation_status``."""

    ids: list[str]
    message: str = "Invalid value: The item was refused by a fault switch of the sandbox."


class Reject(_BatchFault, tag="reject", kw_only=True, frozen=True):
    """These items, and ``count`` others at random, fail when the batch is applied. ``hide_ids``: the handle counts
    them and lists none."""

    ids: list[str] = []
    count: int = 0
    message: str = "Invalid value: The item was rejected by a fault switch of the sandbox."
    hide_ids: bool = False


class Foreign(_BatchFault, tag="foreign", kw_only=True, frozen=True):
    """The handle lists errors for ids that were not in the batch."""

    ids: list[str]


class Ending(_BatchFault, tag="ending", kw_only=True, frozen=True):
    """The handle ends as "error" or "canceled" or never, after ``share`` of the items was applied."""

    state: Literal["error", "canceled", "never"]
    share: Share = 0.5


class Delay(_BatchFault, tag="delay", kw_only=True, frozen=True):
    """The batch takes ``seconds`` instead of the usual time."""

    seconds: Seconds


class Lag(_BatchFault, tag="lag", kw_only=True, frozen=True):
    """The items change ``seconds`` after the handle says that they did."""

    seconds: Seconds


class Lose(_BatchFault, tag="lose", kw_only=True, frozen=True):
    """The handle finishes well, and these items (none named: all) were never applied."""

    ids: list[str] = []


class NoHandle(_BatchFault, tag="no_handle", kw_only=True, frozen=True):
    """Nothing is ingested: ``handles`` is empty."""


class Forget(_BatchFault, tag="forget", kw_only=True, frozen=True):
    """The items are applied, and the handle is unknown to whoever asks."""


class BrokenGzip(_StoreFault, tag="broken_gzip", kw_only=True, frozen=True):
    """Bytes in the middle of the feed are overwritten."""


class Drip(_StoreFault, tag="drip", kw_only=True, frozen=True):
    """The feed arrives at ``bytes_per_s``."""

    bytes_per_s: Positive = 10


class Shrink(_StoreFault, tag="shrink", kw_only=True, frozen=True):
    """The feed is well-formed and holds only its first items; share 0 leaves the header."""

    share: Share = 0.1


AnswerFault = Error | Text | Close | Hang | Truncate | Slow | Header
BatchSwitch = Refuse | Reject | Foreign | Ending | Delay | Lag | Lose | NoHandle | Forget
StoreFault = BrokenGzip | Drip | Shrink
Fault = AnswerFault | BatchSwitch | StoreFault
_Kind = TypeVar("_Kind")


@dataclass(slots=True)
class _Switch:
    fault: Fault
    seen: int = 0
    fired: int = 0

    @property
    def spent(self) -> bool:
        return self.fired >= self._most

    @property
    def _most(self) -> float:
        if self.fault.times is not None:
            return self.fault.times
        return 1 if self.fault.every is None else float("inf")

    def fires(self) -> bool:
        self.seen += 1
        since = self.seen - self.fault.skip
        if self.spent or since < 1 or since % (self.fault.every or 1):
            return False
        self.fired += 1
        return True


class Switchboard:
    """The faults that are set. Not safe for several threads."""

    def __init__(self) -> None:
        self._switches: list[_Switch] = []

    def add(self, faults: Sequence[Fault]) -> None:
        self._switches.extend(_Switch(fault) for fault in faults)

    def clear(self) -> None:
        self._switches.clear()

    def listed(self) -> list[dict[str, Any]]:
        return [
            {**msgspec.to_builtins(switch.fault), "seen": switch.seen, "fired": switch.fired}
            for switch in self._switches
        ]

    def firing(self, route: str, catalog_id: str | None = None) -> list[Fault]:
        """The faults that this call meets, oldest first. Counts the call."""
        met = [
            switch.fault for switch in self._switches if _concerns(switch.fault, route, catalog_id) and switch.fires()
        ]
        self._switches = [switch for switch in self._switches if not switch.spent]
        return met


def parsed(document: bytes) -> list[Fault]:
    """One fault or a list of them from JSON. Raises ``msgspec.MsgspecError`` with a sentence."""
    found = msgspec.json.decode(document, type=Fault | list[Fault])
    return found if isinstance(found, list) else [found]


def first(faults: Sequence[Fault], kind: type[_Kind]) -> _Kind | None:
    """The oldest fault of this kind."""
    return next((fault for fault in faults if isinstance(fault, kind)), None)


def on_batch(faults: Sequence[Fault]) -> BatchFault:
    """What the faults of one call make of its batch."""
    reject, ending, lose = first(faults, Reject), first(faults, Ending), first(faults, Lose)
    delay, lag = first(faults, Delay), first(faults, Lag)
    return BatchFault(
        refuse={
            retailer_id: fault.message for fault in faults if isinstance(fault, Refuse) for retailer_id in fault.ids
        },
        reject={
            retailer_id: fault.message for fault in faults if isinstance(fault, Reject) for retailer_id in fault.ids
        },
        reject_count=reject.count if reject else 0,
        reject_message=reject.message if reject else BatchFault().reject_message,
        hide_ids=reject.hide_ids if reject else False,
        foreign=[retailer_id for fault in faults if isinstance(fault, Foreign) for retailer_id in fault.ids],
        ending=ending.state if ending else "finished",
        share=ending.share if ending else 1.0,
        delay_s=delay.seconds if delay else None,
        lag_s=lag.seconds if lag else 0.0,
        lose=lose.ids if lose else None,
        no_handle=first(faults, NoHandle) is not None,
        forget=first(faults, Forget) is not None,
    )


def _concerns(fault: Fault, route: str, catalog_id: str | None) -> bool:
    if fault.catalog is not None and fault.catalog != catalog_id:
        return False
    return fault.route == route or (fault.route == "graph" and route != "store")
