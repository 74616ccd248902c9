"""Meta's errors, translated at the border into ours.

One table holds every code that Meta documents for catalogs; the sentence, the owner and the action of an error come
from its row. The HTTP status is never looked at: Meta sends 200 with an error, and 400 or 500 for the same code
(https://developers.facebook.com/docs/graph-api/guides/error-handling, …/overview/rate-limiting).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from worker.errors import (
    AppRefused,
    CallRefused,
    CallTooLarge,
    CatalogRefused,
    Owner,
    ShelfbeatError,
    Throttled,
    TokenRefused,
    Transient,
)
from worker.graph.scrub import scrub

Scope = Literal["app", "token", "catalog", "call"]


class HandleUnknown(CallRefused):
    """Meta no longer knows, or never knew, this handle: what became of its batch cannot be asked for."""


@dataclass(frozen=True, slots=True)
class Row:
    """How one kind of error is answered.

    Attributes:
        first, last: The codes meant, both included.
        subcodes: Subcodes meant; empty for any.
        marker: Lower-case text that Meta's message must contain; empty for any.
        kind: The class raised.
        scope: What has to stop or wait: everything, all calls with this token, this catalog, or this call alone.
        action: What the owner can do; empty when waiting is all.
        wait_s: Seconds to wait where Meta names none; None leaves it to the caller.
    """

    first: int
    last: int
    kind: type[ShelfbeatError]
    scope: Scope
    owner: Owner
    action: str
    subcodes: frozenset[int] = frozenset()
    marker: str = ""
    wait_s: float | None = None

    def matches(self, refusal: Refusal) -> bool:
        return (
            refusal.code is not None
            and self.first <= refusal.code <= self.last
            and (not self.subcodes or refusal.subcode in self.subcodes)
            and self.marker in refusal.message.lower()
        )


_RECONNECT = "Create a new system-user token that may manage this catalog and store it with 'shop token'."
_GRANT = "Give the token's user the permission 'catalog_management' and a role on this catalog, then use 'shop token'."
_CONFIRM = "Log in at facebook.com, confirm the account there, then store a new token with 'shop token'."
_TWO_FACTOR = "Set up two-factor authentication for the token's user and store a new token with 'shop token'."
_CATALOG = "Check the catalog id, and that the token's user has a role on that catalog in Meta's Business settings."
_PROOF = "Check that META_APP_SECRET belongs to the app that the token was made for."
_APP = "Check the app's permissions and status in Meta's App Dashboard."
_VERSION = "Set META_GRAPH_VERSION to a version that Meta still serves."
_REPORT = "Look at the message; sending the same again changes nothing."
_BLOCKED = "Look for a policy notice in Meta's Business settings; calls go on by themselves after the wait."

_DAY_S = 86_400.0


def _row(
    code: int | tuple[int, int],
    kind: type[ShelfbeatError],
    scope: Scope,
    owner: Owner,
    action: str = "",
    *,
    subcodes: Iterable[int] = (),
    marker: str = "",
    wait_s: float | None = None,
) -> Row:
    first, last = code if isinstance(code, tuple) else (code, code)
    return Row(first, last, kind, scope, owner, action, frozenset(subcodes), marker, wait_s)


# The first row that matches counts, so rows with a marker or subcodes stand before the plain row of their code.
TABLE: tuple[Row, ...] = (
    _row(1, CallTooLarge, "call", "meta", marker="reduce the amount of data"),
    _row(1, Transient, "call", "meta"),
    _row(2, Transient, "call", "meta"),
    _row(3, AppRefused, "app", "operator", _APP),
    _row(4, Throttled, "app", "meta"),
    _row(10, TokenRefused, "token", "merchant", _GRANT),
    _row(17, Throttled, "token", "meta"),
    _row(32, Throttled, "token", "meta"),
    _row(33, CatalogRefused, "catalog", "merchant", _CATALOG),
    _row(100, AppRefused, "app", "operator", _PROOF, marker="appsecret_proof"),
    _row(100, CatalogRefused, "catalog", "merchant", _CATALOG, subcodes=(33,)),
    _row(100, CatalogRefused, "catalog", "merchant", _CATALOG, marker="missing permissions"),
    _row(100, CatalogRefused, "catalog", "merchant", _CATALOG, marker="object with id"),
    # What a read of the catalog node answers when the id is that of a page, a user or an ad account.
    _row(100, CatalogRefused, "catalog", "merchant", _CATALOG, marker="nonexisting field"),
    _row(100, CallRefused, "call", "operator", _REPORT),
    _row(102, TokenRefused, "token", "merchant", _RECONNECT),
    _row(104, AppRefused, "app", "operator", _PROOF),
    _row(115, CallRefused, "call", "operator", _REPORT),
    _row(190, TokenRefused, "token", "merchant", _CONFIRM, subcodes=(459, 464)),
    _row(190, TokenRefused, "token", "merchant", _GRANT, subcodes=(465, 492)),
    # 452 session mismatch, 458 app removed, 460 password changed, 463 expired, 467 invalid, and any other.
    _row(190, TokenRefused, "token", "merchant", _RECONNECT),
    _row((200, 299), TokenRefused, "token", "merchant", _GRANT),
    _row(341, Throttled, "app", "meta"),
    # A block for abuse or policy. Calls made meanwhile prolong it, and it ends by itself.
    _row(368, Throttled, "token", "merchant", _BLOCKED, wait_s=_DAY_S),
    _row(
        415,
        TokenRefused,
        "token",
        "merchant",
        "Set up two-factor authentication for the token's user, then 'shop token'.",
    ),
    # Without a subcode Meta means abuse prevention, and somebody should look; with one it means a rate.
    _row(613, Throttled, "token", "meta", subcodes=(1996, 5044001, 1487742)),
    _row(613, Throttled, "token", "operator", "Look why so many calls were made in so short a time."),
    _row(801, CallRefused, "call", "operator", _REPORT),
    _row(803, CatalogRefused, "catalog", "merchant", _CATALOG),
    _row(2500, CallRefused, "call", "operator", _REPORT),
    _row(2635, AppRefused, "app", "operator", _VERSION),
    _row(10800, CallRefused, "call", "merchant", "Remove the other entry with this id from the catalog."),
    _row(10801, CallRefused, "call", "operator", _REPORT),
    _row(10803, CallRefused, "call", "operator", "Use the product set that has this filter already."),
    # Quotas per business use case: pages, Instagram, audiences, ads, leads, Messenger, WhatsApp.
    _row((80001, 80008), Throttled, "catalog", "meta"),
    _row(80009, Throttled, "catalog", "meta"),
    _row(80014, Throttled, "catalog", "meta"),
)

# An error we do not know took nothing, so trying again is safe; the caller bounds how often.
_UNKNOWN = Row(0, 0, Transient, "call", "meta", "")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Meta's error envelope, decoded. ``message`` is Meta's own text, as it came."""

    code: int | None
    subcode: int | None
    message: str
    is_transient: bool
    fbtrace_id: str
    data: Mapping[str, Any]


def refusal(body: Any) -> Refusal | None:
    """The error envelope in a decoded answer; None where there is none. ``{"success": false}`` is no envelope."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return None
    message = error.get("message")
    trace = error.get("fbtrace_id")
    return Refusal(
        code=_integer(error.get("code")),
        subcode=_integer(error.get("error_subcode")),
        message=message if isinstance(message, str) else "",
        is_transient=error.get("is_transient") is True,
        fbtrace_id=trace if isinstance(trace, str) and re.fullmatch(r"[\w+/=-]{1,64}", trace) else "",
        data=_data(error.get("error_data")),
    )


def row_for(refusal: Refusal) -> Row:
    """The row that answers this error; for a code in no row, one that says: try again later."""
    return next((row for row in TABLE if row.matches(refusal)), _UNKNOWN)


def translate(refusal: Refusal, *, regain_s: float | None = None, secrets: Iterable[str] = ()) -> ShelfbeatError:
    """Our error for Meta's.

    Args:
        regain_s: Seconds until access is regained, from the usage headers of the same answer.
        secrets: Texts that must not appear in the message, whatever Meta wrote.
    """
    row = row_for(refusal)
    sentence = _sentence(refusal, secrets)
    if row.kind is Throttled and row.scope != "call":
        wait_s = regain_s if regain_s is not None else row.wait_s
        return Throttled(sentence, scope=row.scope, retry_after_s=wait_s, action=row.action, owner=row.owner)
    if row.kind is Transient or (refusal.is_transient and row.kind is not CallTooLarge):
        return Transient(sentence, retry_after_s=regain_s, owner="meta")
    if row.kind is CallRefused:
        return CallRefused(sentence, code=_code(refusal), action=row.action, owner=row.owner)
    return row.kind(sentence, action=row.action, owner=row.owner)


def unknown_handle(refusal: Refusal, handle: str, secrets: Iterable[str] = ()) -> HandleUnknown | None:
    """What an error on the status edge says about the handle; None when it is about something else.

    Meta does not document its answer to a handle it has forgotten. The handle is the only thing that differs between
    our status calls, so an "invalid parameter" that names nothing else is about the handle.
    """
    if refusal.code != 100 or refusal.is_transient:
        return None
    if row_for(refusal).kind is not CallRefused and handle not in refusal.message:
        return None
    return HandleUnknown(_sentence(refusal, secrets), code=_code(refusal), owner="meta")


def _sentence(refusal: Refusal, secrets: Iterable[str]) -> str:
    text = scrub(refusal.message, secrets).rstrip(".") or "no reason given"
    fields = ", ".join(_blamed(refusal.data.get("blame_field_specs")))
    blamed = f"; it blames {scrub(fields, secrets)}" if fields else ""
    details = [f"code {_code(refusal)}"]
    if refusal.fbtrace_id:
        details.append(f"trace {refusal.fbtrace_id}")
    return f"Meta refused the call: {text}{blamed} ({', '.join(details)})."


def _code(refusal: Refusal) -> str:
    if refusal.code is None:
        return "missing"
    return f"{refusal.code}/{refusal.subcode}" if refusal.subcode is not None else str(refusal.code)


def _blamed(specs: Any) -> list[str]:
    """Field names out of ``[["requests"], ["item_type"]]``, in Meta's order."""
    listed = specs if isinstance(specs, list) else []
    return [name for spec in listed if isinstance(spec, list) for name in spec if isinstance(name, str)]


def _integer(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"\d{1,10}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _data(value: Any) -> Mapping[str, Any]:
    # Meta sends an object or the same object as a JSON string.
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}
