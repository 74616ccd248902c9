"""The Graph API's routes: version, token, quota and faults around the model's answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from worker.sandbox import faults as switches
from worker.sandbox.answers import Answer, GraphRefusal, known_parameters
from worker.sandbox.catalog import MAX_PAYLOAD_BYTES
from worker.sandbox.faults import Fault
from worker.sandbox.parameters import Parameters, parameters
from worker.sandbox.quota import Kind, usage_header
from worker.sandbox.tokens import check_proof
from worker.sandbox.wire import Reply, Request, json_reply
from worker.sandbox.world import World

_VERSIONED = re.compile(r"/v(\d{1,3})\.(\d{1,3})/(.+)", re.ASCII)
_OLDEST, _NEWEST = (24, 0), (26, 0)
_EDGES = {
    ("POST", "items_batch"): "items_batch",
    ("GET", "check_batch_request_status"): "batch_status",
    ("GET", "products"): "products",
}


class Target(NamedTuple):
    """What a path means. ``node`` is the id that was asked for; ``catalog_id`` None where the path names no catalog."""

    route: str
    node: str
    catalog_id: str | None


class _Call(NamedTuple):
    """A call that may go on: its token is good. ``met`` are the faults that it meets."""

    request: Request
    target: Target
    values: dict[str, Any]
    locale: str
    met: list[Fault]


def answer(world: World, request: Request) -> Reply:
    """Answer one call, note it in the log, and let the faults that are set for it happen."""
    try:
        target = _target(request)
    except GraphRefusal as refusal:
        with world.lock:
            entry = world.calls.begin("unknown", request.method, None)
            entry["status"], body = refusal.answer(world.model.rng)
        return json_reply(entry["status"], body)
    # Decoding 3,000 records takes milliseconds, so other calls do not wait for it.
    try:
        given: Parameters | GraphRefusal = parameters(request)
    except GraphRefusal as refusal:
        given = refusal
    with world.lock:
        if target.catalog_id is not None:
            target = target._replace(catalog_id=world.model.owner(target.catalog_id))
        entry = world.calls.begin(target.route, request.method, target.catalog_id)
        reply = _answer(world, request, target, given, entry)
        entry["status"] = None if reply.close else reply.status
    return reply


def _target(request: Request) -> Target:
    match = _VERSIONED.fullmatch(request.path)
    if match is None:
        raise GraphRefusal(2500, f"Unknown path components: {request.path[:200]}", prefixed=False)
    version, path = (int(match[1]), int(match[2])), match[3].rstrip("/")
    if version < _OLDEST:
        raise GraphRefusal(
            2635, "You are calling a deprecated version of the Ads API. Please update to the latest version: v26.0."
        )
    node, _, edge = path.partition("/")
    if version > _NEWEST or not node.isascii():
        raise GraphRefusal(2500, f"Unknown path components: {request.path[:200]}", prefixed=False)
    if edge:
        route = _EDGES.get((request.method, edge))
        if route is None or not node.isdigit():
            raise GraphRefusal(2500, f"Unknown path components: /{edge[:200]}", prefixed=False)
        return Target(route, node, node)
    if request.method != "GET":
        raise GraphRefusal(100, f"Unsupported {request.method.lower()} request", prefixed=False)
    if node in ("me", "debug_token"):
        return Target(node, node, None)
    return Target("node", node, node.split(":")[1] if node.startswith("catalog:") else node)


def _answer(
    world: World, request: Request, target: Target, given: Parameters | GraphRefusal, entry: dict[str, Any]
) -> Reply:
    locale, headers = world.settings.default_locale, {}
    try:
        if request.size_bytes > MAX_PAYLOAD_BYTES and isinstance(given, GraphRefusal):
            given = Parameters("unread", {}, None, None, None)  # the model says that it is too much, token or not
        elif isinstance(given, GraphRefusal):
            raise given
        else:
            entry.update({"encoding": given.encoding, "token": world.tokens.shown(given.token)})
            _note_items(world, target, given, entry)
            world.tokens.admit(given.token, target.catalog_id)
            check_proof(world.settings.app_secret, given.token or "", given.proof)
        locale = given.locale or locale
        met = world.faults.firing(target.route, target.catalog_id)
        entry["faults"] = [type(fault).__name__.lower() for fault in met]
        if early := _instead(met, accepted=False):
            return early
        headers = _take_quota(world, target)
        status, body = _carry_out(world, _Call(request, target, given.values, locale, met), entry)
    except GraphRefusal as refusal:
        status, body = refusal.answer(world.model.rng, locale)
        return json_reply(status, body, refusal.headers)
    return _instead(met, accepted=True) or disturbed(json_reply(status, body, headers), met)


def _take_quota(world: World, target: Target) -> dict[str, str]:
    if target.catalog_id is None:
        return {}
    kind: Kind = "catalog_batch" if target.route == "items_batch" else "catalog_management"
    return world.quotas.take(kind, target.catalog_id)


def _carry_out(world: World, call: _Call, entry: dict[str, Any]) -> Answer:
    model, target, values, locale = world.model, call.target, call.values, call.locale
    if target.route == "items_batch":
        return _items_batch(world, call, entry)
    if target.route == "batch_status":
        entry["handle"] = values.get("handle")
        return model.batch_status(target.node, values, locale=locale)
    if target.route == "products":
        base_url = f"http://{call.request.headers.get('host', 'localhost')}{call.request.path}"
        return model.products(target.node, values, locale=locale, base_url=base_url)
    if target.route == "node":
        return model.node(target.node, values, locale=locale)
    return 200, _about_token(world, target.route, values)


def _note_items(world: World, target: Target, given: Parameters, entry: dict[str, Any]) -> None:
    """What a call carried is of interest also where it is refused."""
    requests = given.values.get("requests")
    if target.route == "items_batch" and isinstance(requests, list):
        entry["allow_upsert"] = given.values.get("allow_upsert", True)
        world.calls.keep_records(entry, requests)


def _items_batch(world: World, call: _Call, entry: dict[str, Any]) -> Answer:
    status, body = world.model.items_batch(
        call.target.node,
        call.values,
        size_bytes=call.request.size_bytes,
        locale=call.locale,
        fault=switches.on_batch(call.met),
    )
    entry["handle"] = next(iter(body.get("handles", ())), None)
    if entry["handle"]:
        entry["overlapping"] = list(world.model.batches[entry["handle"]].overlapping)
    return status, body


def _about_token(world: World, route: str, values: Mapping[str, Any]) -> dict[str, Any]:
    if route == "me":
        known_parameters(values, "fields")
        return {"id": "8000000000000001", "name": "Sandbox System User"}
    known_parameters(values, "input_token")
    good = world.tokens.is_good(str(values.get("input_token", "")))
    scopes = ["catalog_management", "business_management"] if good else []
    return {"data": {"app_id": world.settings.app_id, "is_valid": good, "expires_at": 0, "scopes": scopes}}


def _instead(met: list[Fault], *, accepted: bool) -> Reply | None:
    """The answer of the first fault that replaces one, before (or, ``accepted``, after) the call is carried out."""
    kinds = (switches.Error, switches.Text, switches.Close, switches.Hang)
    fault = next((fault for fault in met if isinstance(fault, kinds)), None)
    if fault is None or fault.accepted != accepted:
        return None
    if isinstance(fault, switches.Error):
        return json_reply(fault.http_status, {"error": _envelope(fault)}, _regain(fault))
    return disturbed(Reply(), met)


def _envelope(fault: switches.Error) -> dict[str, Any]:
    optional = {
        "error_subcode": fault.subcode,
        "is_transient": fault.is_transient,
        "error_user_title": fault.error_user_title,
        "error_user_msg": fault.error_user_msg,
        "error_data": fault.error_data,
    }
    given = {name: value for name, value in optional.items() if value is not None}
    return {"message": fault.message, "type": fault.type, "code": fault.code, **given, "fbtrace_id": "ASandboxFault"}


def _regain(fault: switches.Error) -> dict[str, str]:
    if fault.regain_minutes is None:
        return {}
    kind: Kind = "catalog_management" if fault.code == 80009 else "catalog_batch"
    return usage_header(kind, 100, fault.regain_minutes)


def disturbed(reply: Reply, met: list[Fault]) -> Reply:
    """The reply after every fault of the transport among these has been at it."""
    for fault in met:
        if isinstance(fault, switches.Text):
            headers = {**fault.headers}
            reply = Reply(fault.http_status, fault.body.encode(), fault.content_type, headers)
        elif isinstance(fault, switches.Close | switches.Hang):
            reply.close = True
            reply.delay_s += fault.seconds if isinstance(fault, switches.Hang) else 0
        elif isinstance(fault, switches.Slow):
            reply.delay_s += fault.seconds
        elif isinstance(fault, switches.Header):
            reply.headers[fault.name] = fault.value
        elif isinstance(fault, switches.Truncate):
            kept = int(len(reply.body) * fault.share)
            if fault.announced:
                reply.send = kept
            else:
                reply.body = reply.body[:kept]
    return reply
