"""``/_sandbox/…``: look inside, set faults, change both sides. Not part of Meta's API or of any store's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

import msgspec

from worker.sandbox import faults
from worker.sandbox.answers import GraphRefusal
from worker.sandbox.store import FORMS, NoSuchItem
from worker.sandbox.tokens import Standing
from worker.sandbox.wire import Reply, Request, json_reply
from worker.sandbox.world import World


class _Call(NamedTuple):
    """``parts`` are those of the path behind the name of the control call, decoded."""

    parts: list[str]
    query: dict[str, str]
    body: bytes


class _Token(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """``state`` "revoked" answers with ``code`` and ``subcode`` from now on; ``catalogs`` are all that it may see."""

    token: str
    state: str = "good"
    code: int = 190
    subcode: int | None = 463
    catalogs: list[str] | None = None


class _Ids(msgspec.Struct, forbid_unknown_fields=True):
    ids: list[str]


class _Wrong(Exception):
    """The control call is wrong: one sentence for whoever made it."""


def answer(world: World, request: Request) -> Reply:
    """Carry out a control call. 400 or 404 come with ``{"error": sentence}``."""
    parts = [unquote(part) for part in request.raw_path.split("/")[2:] if part]
    query = {name: values[-1] for name, values in parse_qs(request.query).items()}
    name = parts[0] if parts else ""
    handler = _HANDLERS.get((request.method, name))
    if handler is None:
        return json_reply(404, {"error": f"No such control call: {request.method} /_sandbox/{name}."})
    try:
        with world.lock:
            return json_reply(200, handler(world, _Call(parts[1:], query, request.body)))
    except (_Wrong, msgspec.MsgspecError) as error:
        return json_reply(400, {"error": str(error)})
    except (NoSuchItem, GraphRefusal) as error:
        return json_reply(404, {"error": f"There is no such thing here: {error}."})


def _overview(world: World, _call: _Call) -> Any:
    return {
        "feeds": [f"/store/{feed}.{form}" for feed in world.store.names for form in FORMS],
        "catalogs": {key: len(catalog.items) for key, catalog in world.model.catalogs.items()},
        "control": sorted({f"{method} /_sandbox/{name}" for method, name in _HANDLERS}),
    }


def _list_faults(world: World, _call: _Call) -> Any:
    return world.faults.listed()


def _add_faults(world: World, call: _Call) -> Any:
    world.faults.add(faults.parsed(call.body))
    return world.faults.listed()


def _clear_faults(world: World, _call: _Call) -> Any:
    world.faults.clear()
    return []


def _list_calls(world: World, call: _Call) -> Any:
    entries = world.calls.listed(call.query.get("route"), _whole_number(call.query.get("after", "0")))
    if call.query.get("records") != "true":
        for entry in entries:
            entry.pop("records", None)
    return entries


def _clear_calls(world: World, _call: _Call) -> Any:
    world.calls.clear()
    return []


def _list_items(world: World, call: _Call) -> Any:
    items = world.model.items(_only(call.parts, "a catalog id"))
    wanted = call.query.get("retailer_id")
    return items if wanted is None else {key: item for key, item in items.items() if key == wanted}


def _change_items(world: World, call: _Call) -> Any:
    if len(call.parts) != 2:
        raise _Wrong("Name a catalog id and a retailer id, or a catalog id and delete.")
    catalog_id, retailer_id = call.parts
    if retailer_id == "delete":
        return {"deleted": world.model.lose_items(catalog_id, msgspec.json.decode(call.body, type=_Ids).ids)}
    world.model.overwrite_item(catalog_id, retailer_id, msgspec.json.decode(call.body, type=dict[str, Any]))
    return world.model.items(catalog_id)[retailer_id]


def _set_token(world: World, call: _Call) -> Any:
    given = msgspec.json.decode(call.body, type=_Token)
    if given.state not in ("good", "revoked"):
        raise _Wrong("state must be good or revoked.")
    refused = given.state == "revoked"
    catalogs = None if given.catalogs is None else frozenset(given.catalogs)
    standing = Standing(given.code if refused else None, given.subcode if refused else None, catalogs)
    world.tokens.set(given.token, standing)
    return {"state": given.state}


def _show_settings(world: World, _call: _Call) -> Any:
    return world.shown_settings()


def _change_settings(world: World, call: _Call) -> Any:
    world.change_settings(msgspec.json.decode(call.body, type=dict[str, Any]))
    return world.shown_settings()


def _reset(world: World, _call: _Call) -> Any:
    world.reset()
    return {"reset": True}


def _list_store(world: World, call: _Call) -> Any:
    items = world.store.items(call.query.get("feed", "feed"))
    return [item for item in items if len(call.parts) < 2 or item.get("id") == call.parts[1]]


def _change_store(world: World, call: _Call) -> Any:
    feed, fields = call.query.get("feed", "feed"), msgspec.json.decode(call.body, type=dict[str, Any])
    if len(call.parts) == 1:
        return world.store.add(feed, fields)
    return world.store.change(feed, call.parts[1], fields)


def _remove_from_store(world: World, call: _Call) -> Any:
    if len(call.parts) != 2:
        raise _Wrong("Name the item to remove.")
    return {"removed": world.store.remove(call.query.get("feed", "feed"), call.parts[1])}


def _only(parts: list[str], what: str) -> str:
    if len(parts) != 1:
        raise _Wrong(f"Name {what}.")
    return parts[0]


def _whole_number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise _Wrong(f"{text[:20]} is no whole number.")
    return int(text)


_HANDLERS: dict[tuple[str, str], Callable[[World, _Call], Any]] = {
    ("GET", ""): _overview,
    ("GET", "faults"): _list_faults,
    ("POST", "faults"): _add_faults,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "calls"): _list_calls,
    ("DELETE", "calls"): _clear_calls,
    ("GET", "items"): _list_items,
    ("POST", "items"): _change_items,
    ("POST", "tokens"): _set_token,
    ("GET", "settings"): _show_settings,
    ("POST", "settings"): _change_settings,
    ("POST", "reset"): _reset,
    ("GET", "store"): _list_store,
    ("POST", "store"): _change_store,
    ("DELETE", "store"): _remove_from_store,
}
