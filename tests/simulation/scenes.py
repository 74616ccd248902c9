"""Scenes: what a stage's store and Meta do so that it comes to pass its rarer steps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import httpx
from sqlalchemy import Row

from tests.simulation.meta_answers import refusal
from tests.simulation.shelf import OpenShelf
from tests.simulation.stages import Stage
from tests.simulation.world import CATALOG, SLUG
from worker.database.engine import writing
from worker.database.tables import payload, shop
from worker.errors import BadInput, SecretUnreadable, StoreIncomplete, Transient
from worker.items import breaker
from worker.sandbox.batches import BatchFault
from worker.stores.contract import CursorExpired, Notice, Page, Record
from worker.sync import approval, pull, requests, retain
from worker.sync import breaker as judging
from worker.sync.audit import listing
from worker.sync.context import Context, Sender, Wake

Scene = Callable[[Stage], None]


class TroubledStore(OpenShelf):
    """A store whose trouble is over after a while."""

    def __init__(self, stage: Stage, misbehave: Callable[[str | None], None] = lambda _: None) -> None:
        super().__init__(stage.shelf)
        self._stage = stage
        self._misbehave = misbehave

    def full(self, cursor: str | None) -> Page[Record]:
        if self._stage.trouble:
            self._misbehave(cursor)
        return super().full(cursor)


class MistakenStore(TroubledStore):
    """A store whose ids come twice, and that has something to say about a record without one."""

    ids_unique = False

    def full(self, cursor: str | None) -> Page[Record]:
        page = super().full(cursor)
        notice = Notice("", "encoding.replaced", "A record is damaged.", "Repair it.")
        again = Record(page.records[0].retailer_id, page.records[0].raw)
        return replace(page, records=[*page.records, again], notices=[notice])


def plain(stage: Stage) -> None:
    """Somebody asks for a full sync."""


def scheduled(stage: Stage) -> None:
    """A beat finds a full, a delta and a volatile pull due."""
    stage.begin = stage.beat


def mistaken(stage: Stage) -> None:
    stage.shelf.open = lambda: MistakenStore(stage)  # type: ignore[method-assign]


def slow(stage: Stage) -> None:
    """Each page comes after the lease was renewed at least once."""
    pull._RENEW_S = 0.005  # type: ignore[misc]  # in a process that ends with the scene
    renewing = threading.Event()
    stage.on_passage["pull.4-renew", "before"] = renewing.set

    def on_page(when: str) -> None:
        if when == "before":
            renewing.wait(1)
            renewing.clear()

    stage.shelf.on_page = on_page


def _once(stage: Stage, error: Exception, *, after_pages: bool = False) -> None:
    def misbehave(cursor: str | None) -> None:
        if cursor is not None or not after_pages:
            stage.trouble -= 1
            raise error

    stage.trouble = 1
    stage.shelf.open = lambda: TroubledStore(stage, misbehave)  # type: ignore[method-assign]


def forgetful(stage: Stage) -> None:
    _once(stage, CursorExpired(), after_pages=True)


def failing(stage: Stage) -> None:
    _once(stage, Transient("The store does not answer."))


def broken(stage: Stage) -> None:
    _once(stage, StoreIncomplete("The feed ends in the middle of a line."))


def closed(stage: Stage) -> None:
    def opened() -> OpenShelf:
        if stage.trouble:
            stage.trouble -= 1
            raise BadInput("There is no feed at this path.")
        return OpenShelf(stage.shelf)

    stage.trouble = 1
    stage.shelf.open = opened  # type: ignore[method-assign]


def hesitant(stage: Stage) -> None:
    """The first sender is held up between committing to a call and making it."""
    stage.trouble = 1

    def hesitate() -> None:
        stage.now_s += 3.0 * stage.trouble
        stage.trouble = 0

    stage.on_passage["lane.3-commit", "after"] = hesitate


def sluggish(stage: Stage) -> None:
    """Meta takes longer to say what became of a batch than a slice may last."""

    def dawdle() -> None:
        stage.now_s += stage.limits.slice_s + 1

    stage.on_passage["settle.3-ask", "after"] = dawdle


def overcharged(stage: Stage) -> None:
    """Meta refuses the first call because of the whole app, and has to be asked whether that is over."""
    _meta_answers(stage, 1, refusal(4, "Application request limit reached"))


def silent(stage: Stage) -> None:
    """Nobody learns what became of the first calls, and nothing goes through after them."""
    _meta_answers(stage, 3, httpx.Response(502, text="Bad gateway"))


def _meta_answers(stage: Stage, times: int, answer: httpx.Response) -> None:
    otherwise = stage.on_call

    def on_call(edge: str, request: httpx.Request) -> BatchFault | httpx.Response | None:
        if edge == "items_batch" and stage.trouble:
            stage.trouble -= 1
            return answer
        return otherwise(edge, request)

    stage.trouble = times
    stage.on_call = on_call


def locked(stage: Stage) -> None:
    """The shop's token cannot be read once; the operator puts that right at once."""
    context = stage.context

    def with_trouble() -> Context:
        whole = context()

        def sender(row: Row[Any]) -> Sender:
            if stage.trouble:
                stage.trouble -= 1
                raise SecretUnreadable("The token of the shop acme cannot be read.")
            return whole.sender(row)

        return replace(whole, sender=sender)

    def repair() -> None:
        with writing(stage.engine) as connection:
            connection.execute(shop.update().values(state="active", reason=None))

    stage.trouble = 1
    stage.context = with_trouble  # type: ignore[method-assign]
    stage.on_passage["lane.8-stop", "after"] = repair


def approved(stage: Stage) -> None:
    """More than half of the shop is gone, and somebody says that it is right so."""
    _lose_half(stage)
    stage.begin = partial(stage.decide, approval.approve)


def rejected(stage: Stage) -> None:
    """More than half of the shop is gone, somebody says that this is wrong, and the merchant brings it back."""
    lost = _lose_half(stage)

    def bring_back() -> None:
        for key in lost:
            stage.shelf.put(key)

    stage.on_passage["approval.2-reject", "after"] = bring_back
    stage.begin = partial(stage.decide, approval.reject)


def improbable(stage: Stage) -> None:
    """Both prices of the first page are a hundredfold, which is nothing special among all that were read."""
    for module in (breaker, judging):
        module.AT_LEAST = 1  # type: ignore[misc]  # in a process that ends with the scene
    stage.shelf.put("c")  # one missing of five would be held too
    for key in ("a", "b"):
        stage.shelf.put(key, price="1000.00 USD")


def _lose_half(stage: Stage) -> tuple[str, ...]:
    lost = ("a", "d", "e")
    for key in lost:
        stage.shelf.remove(key)
    return lost


def tidied(stage: Stage) -> None:
    """Beat has forgotten what nobody needs, among it a chunk that nothing points into."""
    begin = stage.begin

    def tidy_and_begin() -> None:
        stage.carry_out(retain.retain)
        begin()

    with writing(stage.engine) as connection:
        connection.execute(payload.insert().values(shop_id=stage.shop_id, data=b"unused"))
    stage.begin = tidy_and_begin


class KnowingStore(OpenShelf):
    """A store that can look up single items."""

    def fetch(self, retailer_ids: Sequence[str]) -> Sequence[Record]:
        return [Record(key, self._raw(key)) for key in retailer_ids if key in self._shelf.items]


def tampered(stage: Stage) -> None:
    """After a full, somebody changes the catalog at Meta, and an audit of many slices sets it right by itself."""
    _audit(stage)
    stage.shelf.open = lambda: KnowingStore(stage.shelf)  # type: ignore[method-assign]
    listing._AT_LEAST = 1  # type: ignore[misc]  # in a process that ends with the scene

    def dawdle() -> None:
        stage.now_s += stage.limits.slice_s + 1

    stage.on_passage["audit.2-list", "after"] = dawdle


def amnesiac(stage: Stage) -> None:
    """Meta forgets the cursor of its listing."""
    _audit(stage)
    _listing_answers(stage, refusal(100, "Invalid parameter"), later=True)


def reluctant(stage: Stage) -> None:
    """Meta wants to be read more slowly."""
    _audit(stage)
    _listing_answers(stage, refusal(80009, "There have been too many calls"))


def unreadable(stage: Stage) -> None:
    """A page of Meta's listing does not arrive."""
    _audit(stage)
    _listing_answers(stage, httpx.Response(502, text="Bad gateway"))


def inexplicable(stage: Stage) -> None:
    """Meta refuses to list anything, and somebody asks for another audit."""
    _audit(stage)
    first = stage.begin

    def begin() -> None:
        first()
        stage.settle_down()
        stage.carry_out(_ask_for_audit)

    stage.begin = begin
    _listing_answers(stage, refusal(100, "Invalid parameter"))


def _audit(stage: Stage) -> None:
    """A full, a change behind our back, and an audit, whose pages are as small as the store's."""

    def begin() -> None:
        stage.request()
        stage.settle_down()
        stage.meta.overwrite_item(CATALOG, "a", {"price": "5.00 USD"})
        stage.meta.lose_items(CATALOG, ["e"])
        stage.carry_out(_ask_for_audit)

    products = stage.meta.products

    def paged(catalog_id: str, params: dict[str, Any], **more: Any) -> Any:
        return products(catalog_id, {**params, "limit": "2"}, **more)

    stage.meta.products = paged  # type: ignore[assignment,method-assign]  # the same, with smaller pages
    stage.begin = begin


def _ask_for_audit(context: Context) -> list[Wake]:
    return requests.request_run(context, SLUG, "audit").wakes


def _listing_answers(stage: Stage, answer: httpx.Response, *, later: bool = False) -> None:
    otherwise = stage.on_call

    def on_call(edge: str, request: httpx.Request) -> BatchFault | httpx.Response | None:
        if edge == "products" and stage.trouble and (not later or "after" in request.url.params):
            stage.trouble -= 1
            return answer
        return otherwise(edge, request)

    stage.trouble = 1
    stage.on_call = on_call


SCENES: Final = (
    plain,
    scheduled,
    mistaken,
    slow,
    forgetful,
    failing,
    broken,
    closed,
    hesitant,
    sluggish,
    overcharged,
    silent,
    locked,
    approved,
    rejected,
    improbable,
    tidied,
    tampered,
    amnesiac,
    reluctant,
    unreadable,
    inexplicable,
)
