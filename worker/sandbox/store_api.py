"""The sample store over HTTP: ``GET /store/feed.csv`` and its likes, with validators and the store's own faults."""

from __future__ import annotations

from email.utils import formatdate, parsedate_to_datetime

from worker.sandbox import faults as switches
from worker.sandbox.faults import Fault
from worker.sandbox.graph_api import disturbed
from worker.sandbox.store import Document, NoSuchItem
from worker.sandbox.wire import Reply, Request
from worker.sandbox.world import World

_TEXT = "text/plain; charset=utf-8"


def answer(world: World, request: Request) -> Reply:
    """Serve a feed. The log counts requests to the store under the route ``store``."""
    with world.lock:
        entry = world.calls.begin("store", request.method, None)
        reply = _answer(world, request)
        entry["status"] = None if reply.close else reply.status
        return reply


def _answer(world: World, request: Request) -> Reply:
    feed, _, form = request.path.removeprefix("/store/").partition(".")
    if request.method not in ("GET", "HEAD"):
        return Reply(405, b"The sample store is read-only; change it under /_sandbox/store.", _TEXT)
    met = world.faults.firing("store")
    shrink = switches.first(met, switches.Shrink)
    try:
        document = world.store.document(feed, form, shrink.share if shrink else 1.0)
    except NoSuchItem:
        return Reply(404, b"The sample store has no such feed.", _TEXT)
    validators = {"ETag": document.etag, "Last-Modified": formatdate(document.modified_at, usegmt=True)}
    if not met and _is_unmodified(request, document):
        return Reply(304, headers=validators)
    reply = Reply(200, _broken(document.body, met), document.content_type, validators)
    if drip := switches.first(met, switches.Drip):
        reply.bytes_per_s = drip.bytes_per_s
    return disturbed(reply, met)


def _is_unmodified(request: Request, document: Document) -> bool:
    if wanted := request.headers.get("if-none-match"):
        return document.etag in (tag.strip().removeprefix("W/") for tag in wanted.split(","))
    since = request.headers.get("if-modified-since")
    try:
        return since is not None and document.modified_at <= parsedate_to_datetime(since).timestamp()
    except ValueError:
        return False


def _broken(body: bytes, met: list[Fault]) -> bytes:
    if switches.first(met, switches.BrokenGzip) is None:
        return body
    middle = len(body) // 2
    return body[:middle] + b"\xff" * min(16, len(body) - middle) + body[middle + 16 :]
