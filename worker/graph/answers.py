"""Meta's answers, decoded into values. Whatever is not exactly a known shape is None, never a guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from worker.graph.findings import tidy
from worker.graph.usage import Usage

State = Literal["running", "finished", "error", "canceled"]

# "Documented capitalised, in samples lower-case"; a word that is in no documentation counts as running, so that the
# caller's own limit ends the wait and nothing is believed.
_STATES: Mapping[str, State] = {"finished": "finished", "error": "error", "canceled": "canceled"}


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What Meta says at once about a batch.

    Attributes:
        handle: Asks for the outcome later; None: nothing of the call was taken in.
        refused: Per retailer_id, why that item is not under the handle.
        warned: Per retailer_id, advice; the item goes on.
        fbtrace_id: Meta's own id of the call, for its support; "" when absent.
    """

    handle: str | None
    refused: Mapping[str, tuple[str, ...]]
    warned: Mapping[str, tuple[str, ...]]
    usage: Usage | None = None
    fbtrace_id: str = ""


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """What became of a batch.

    Attributes:
        errors: (retailer_id, message) pairs: a *sample* of what was refused.
        errors_total: How many errors there are in all; one item may have several.
        warnings: Like ``errors``, for advice: the item itself was saved.
        invalid_ids: Items that were not saved, as Meta lists them: an id is repeated for each of its errors.
    """

    state: State
    errors: tuple[tuple[str, str], ...]
    errors_total: int
    warnings: tuple[tuple[str, str], ...]
    invalid_ids: tuple[str, ...]
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """``vertical`` is "commerce" for what we fill; ``product_count`` is None where Meta does not tell."""

    id: str
    name: str
    vertical: str
    product_count: int | None


@dataclass(frozen=True, slots=True)
class ProductPage:
    """One page of what Meta has. ``after`` starts the next page; None on the last one."""

    products: tuple[Mapping[str, Any], ...] = field(repr=False)
    after: str | None
    usage: Usage | None = None


def batch_answer(body: Any, usage: Usage | None, fbtrace_id: str) -> BatchAnswer | None:
    """None unless every finding can be attributed: an item whose refusal we fail to read would count as accepted."""
    handles = body.get("handles") if isinstance(body, dict) else None
    if not isinstance(handles, list) or len(handles) > 1 or not all(isinstance(h, str) and h for h in handles):
        return None
    listed = body.get("validation_status") or []
    if not isinstance(listed, list):
        return None
    refused: dict[str, tuple[str, ...]] = {}
    warned: dict[str, tuple[str, ...]] = {}
    for entry in listed:
        retailer_id = _text_id(entry.get("retailer_id")) if isinstance(entry, dict) else None
        if retailer_id is None:
            return None
        errors, warnings = _messages(entry.get("errors")), _messages(entry.get("warnings"))
        if errors is None or warnings is None:
            return None
        if errors:
            refused[retailer_id] = refused.get(retailer_id, ()) + errors
        if warnings:
            warned[retailer_id] = warned.get(retailer_id, ()) + warnings
    return BatchAnswer(handles[0] if handles else None, refused, warned, usage, fbtrace_id)


def batch_status(body: Any, usage: Usage | None) -> BatchStatus | None:
    """None for anything but the one element that this edge always answers with."""
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list) or len(data) != 1 or not isinstance(data[0], dict):
        return None
    entry = data[0]
    status = entry.get("status")
    errors, warnings = _samples(entry.get("errors")), _samples(entry.get("warnings"))
    total = entry.get("errors_total_count", len(errors or ()))
    invalid = entry.get("ids_of_invalid_requests") or []
    if not isinstance(status, str) or errors is None or warnings is None or not isinstance(invalid, list):
        return None
    ids = [_text_id(value) for value in invalid]
    if isinstance(total, bool) or not isinstance(total, int) or total < 0 or None in ids:
        return None
    return BatchStatus(
        state=_STATES.get(status.lower(), "running"),
        errors=errors,
        errors_total=total,
        warnings=warnings,
        invalid_ids=tuple(value for value in ids if value is not None),
        usage=usage,
    )


def catalog(body: Any) -> Catalog | None:
    found = _text_id(body.get("id")) if isinstance(body, dict) else None
    if found is None:
        return None
    name, vertical, count = body.get("name"), body.get("vertical"), body.get("product_count")
    return Catalog(
        id=found,
        name=name if isinstance(name, str) else "",
        vertical=vertical if isinstance(vertical, str) else "",
        product_count=count if isinstance(count, int) and not isinstance(count, bool) else None,
    )


def product_page(body: Any, asked_after: str | None, usage: Usage | None = None) -> ProductPage | None:
    """The cursor comes from ``paging.cursors``: the URL in ``paging.next`` holds the token and is only a sign that
    there is more. None also where a next page is promised without a new cursor, which would loop."""
    data = body.get("data") if isinstance(body, dict) else None
    paging = (body.get("paging") or {}) if isinstance(body, dict) else {}
    if not isinstance(data, list) or not all(isinstance(p, dict) for p in data) or not isinstance(paging, dict):
        return None
    if not paging.get("next"):
        return ProductPage(tuple(data), None, usage)
    cursors = paging.get("cursors")
    after = cursors.get("after") if isinstance(cursors, dict) else None
    if not isinstance(after, str) or not after or after == asked_after:
        return None
    return ProductPage(tuple(data), after, usage)


def _text_id(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def _messages(value: Any) -> tuple[str, ...] | None:
    listed = value or []
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        return None
    return tuple(tidy(entry.get("message")) for entry in listed)


def _samples(value: Any) -> tuple[tuple[str, str], ...] | None:
    """A sample without an id is left out: the total tells that it exists."""
    listed = value or []
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        return None
    return tuple(
        (retailer_id, tidy(entry.get("message")))
        for entry in listed
        if (retailer_id := _text_id(entry.get("id"))) is not None
    )
