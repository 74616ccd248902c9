"""What one observation of an item changes, and what the lane has to send for it. Pure.

``Acked`` is what Meta confirmed, ``Want`` what the store says where that differs (the *desired* state). An observation
is compared with the want if there is one, else with the acknowledged state.

Two halves live apart: *content* and *volatile* (price, sale price and window, availability, quantity), each with the
stamp of the store request that saw it. A half never moves to an older stamp. ``Floors`` are stamps at or after which a
complete pull has seen every known item: they stop a late page without a stamp having been written on every row.
"""

from __future__ import annotations

from worker.items.states import (
    ACTIVE,
    ARCHIVED,
    BY_META,
    BY_RULES,
    FAR,
    GONE,
    IN_THIS_CHUNK,
    LANE_CONTENT,
    LANE_DELETE,
    LANE_STATUS,
    LANE_VOLATILE,
    NOT_QUARANTINED,
    NOTHING,
    UNCERTAIN_CONTENT,
    UNCERTAIN_VOLATILE,
    Acked,
    Change,
    Floors,
    Op,
    Seen,
    SeenVolatile,
    Want,
)


def plan(acked: Acked | None, want: Want, now_ms: int) -> Op:
    """Decide what is sent for an item at send time.

    A half in Meta's quarantine is tried again when ``retry_at`` has come, one in ours never before the data changes.
    Content in quarantine does not stop the prices of an item that Meta has.
    """
    if want.status != ACTIVE:
        if acked is None and not want.uncertain:
            return Op.DROP
        hidden = acked is not None and acked.archived and not want.uncertain & UNCERTAIN_CONTENT
        if hidden and want.status == ARCHIVED:
            return Op.DROP
        op = Op.DELETE if hidden else Op.ARCHIVE
        return op if _free(want.content_quarantine, want, now_ms) else Op.WAIT
    live = acked is not None and not acked.archived
    content_due = (
        acked is None
        or acked.archived
        or want.content_fp != acked.content_fp
        or bool(want.uncertain & UNCERTAIN_CONTENT)
    )
    volatile_due = acked is None or want.volatile_fp != acked.volatile_fp or bool(want.uncertain & UNCERTAIN_VOLATILE)
    if not content_due and not volatile_due:
        return Op.DROP
    content_free = want.payload_id is not None and _free(want.content_quarantine, want, now_ms)
    volatile_free = carries_volatile(want, now_ms)
    can_volatile = live and volatile_due and volatile_free
    if can_volatile and (want.lane == LANE_VOLATILE or not content_due):
        return Op.VOLATILE
    # A creation needs both halves; for an item Meta has, a refused volatile half is left out of the record.
    if content_due and content_free and (volatile_free or acked is not None):
        return Op.CONTENT
    return Op.VOLATILE if can_volatile else Op.WAIT


def routed(acked: Acked | None, want: Want, now_ms: int, *, urgent: bool = False) -> Want:
    """Give a want its place in the lane: which call it travels in, and when it is due."""
    if urgent:
        want = want._replace(lane=LANE_VOLATILE)
    op = plan(acked, want, now_ms)
    if op is Op.WAIT:
        # Once Meta's quarantine is over, what still holds an item is our own verdict: nothing but new data frees it.
        retry_at = want.retry_at or 0
        return want._replace(due_at=retry_at if retry_at > now_ms else FAR)
    if op is Op.DELETE:
        return want._replace(lane=LANE_DELETE, due_at=max(now_ms, want.delete_at or now_ms))
    lane = {Op.VOLATILE: LANE_VOLATILE, Op.ARCHIVE: LANE_STATUS, Op.CONTENT: LANE_CONTENT}.get(op, want.lane)
    return want._replace(lane=lane, due_at=now_ms)


def observe(
    acked: Acked | None, want: Want | None, seen: Seen, floors: Floors, *, seq: int, run_id: str, now_ms: int
) -> Change:
    """Merge one whole record into the desired state.

    Whatever it changes is without a gate: whether the breaker holds it is judged next (see ``items.gates``).

    Args:
        seq: Number to give the item if it is unknown so far.
    """
    known = want or acked
    content_stamp, volatile_stamp = _stamps(acked, want)
    fresh_content = seen.stamp >= max(content_stamp, floors.content)
    if known is None and not fresh_content:
        return NOTHING  # a newer complete pull has not seen it: it is gone
    # Nobody looks at the price of what is gone, so the floor says nothing of it; and a return is sent whole.
    back = want is not None and want.status == GONE and fresh_content and seen.stamp >= volatile_stamp
    fresh_volatile = seen.stamp >= max(volatile_stamp, floors.volatile) or known is None or back
    if not fresh_content and not fresh_volatile:
        return NOTHING
    if known is None and seen.archived:
        return NOTHING  # hidden in the store and never sent
    live = acked is not None
    volatile_fp, volatile = (
        (seen.volatile_fp, seen.volatile) if seen.volatile_ok or not live else (seen.fallback_fp, seen.fallback)
    )
    src_fp = seen.src_fp if fresh_content and fresh_volatile else 0
    if want is None and acked is not None:
        target = ARCHIVED if seen.archived else ACTIVE
        same_status = not fresh_content or acked.archived == (target == ARCHIVED)
        same_content = not fresh_content or seen.content_fp == acked.content_fp
        same_volatile = not fresh_volatile or volatile_fp == acked.volatile_fp
        if same_status and (acked.archived or (same_content and same_volatile)):
            settled = src_fp and not acked.archived and src_fp != acked.src_fp
            return Change(src_fp=src_fp) if settled else NOTHING
    old = want or _as_acknowledged(acked, seq)
    new = old
    price_only = want is None and acked is not None and not acked.archived and seen.content_fp == acked.content_fp
    if fresh_content:
        changed = seen.content_fp != old.content_fp or old.content_quarantine == BY_RULES
        new = new._replace(
            content_fp=seen.content_fp,
            content_stamp=seen.stamp,
            status=ARCHIVED if seen.archived else ACTIVE,
            status_stamp=seen.stamp,
            delete_at=None,
            content_quarantine=_verdict(seen.content_ok, old.content_quarantine, changed=changed),
            payload_id=IN_THIS_CHUNK if seen.content_ok and not price_only else None,
        )
    if fresh_volatile:
        changed = volatile_fp != old.volatile_fp or old.volatile_quarantine == BY_RULES
        new = new._replace(
            volatile_fp=volatile_fp,
            volatile_stamp=seen.stamp,
            volatile=volatile,
            band=seen.band,
            volatile_quarantine=_verdict(seen.volatile_ok or live, old.volatile_quarantine, changed=changed),
        )
    if _differs(old, new):
        new = _fresh_start(acked, old, new)
    elif want is not None and want.gate_run is None:
        if src_fp and src_fp != old.src_fp:
            return Change(want=old._replace(src_fp=src_fp))
        return NOTHING
    new = routed(acked, new._replace(src_fp=src_fp, run_id=run_id, gate_run=None), now_ms)
    if plan(acked, new, now_ms) is Op.WAIT:
        new = new._replace(run_id=None)  # nothing of it goes for this run, and what goes later is another run's
    return Change(want=new)


def observe_volatile(
    acked: Acked | None, want: Want | None, seen: SeenVolatile, floors: Floors, *, run_id: str, now_ms: int
) -> Change:
    """Merge price and stock alone. Items that nobody knows, and items that are to be archived, are left alone.

    One that a held run misses is there after all: it was not for sale a moment ago, and now has a price.
    """
    if want is not None and want.status == GONE and want.gate_run is not None and seen.stamp > want.status_stamp:
        want = _found_again(acked, want, seen.stamp)
    if acked is None and want is None:
        return NOTHING
    _, volatile_stamp = _stamps(acked, want)
    if seen.stamp < max(volatile_stamp, floors.volatile):
        return NOTHING
    live = acked is not None
    volatile_fp, volatile = (
        (seen.volatile_fp, seen.volatile) if seen.volatile_ok or not live else (seen.fallback_fp, seen.fallback)
    )
    if want is None:
        if acked is None or acked.archived or volatile_fp == acked.volatile_fp:
            return NOTHING
    elif want.status != ACTIVE or (volatile_fp == want.volatile_fp and want.gate_run is None):
        return NOTHING
    old = want or _as_acknowledged(acked, 0)
    new = old._replace(
        src_fp=0,
        volatile_fp=volatile_fp,
        volatile_stamp=seen.stamp,
        volatile=volatile,
        band=seen.band,
        volatile_quarantine=_verdict(seen.volatile_ok or live, old.volatile_quarantine, changed=True),
        # A creation that is still waiting stays the work of the run that found it.
        volatile_run=run_id if live else old.volatile_run,
        gate_run=None,
    )
    new = _fresh_start(acked, old, new)
    return Change(want=routed(acked, new, now_ms, urgent=live))


def _found_again(acked: Acked | None, want: Want, stamp: int) -> Want:
    """A want as it was before it was missed. Still gated: whoever observes it judges its price next."""
    content_due = acked is None or acked.archived or want.content_fp != acked.content_fp
    return want._replace(status=ACTIVE, status_stamp=stamp, delete_at=None, run_id=want.run_id if content_due else None)


def carries_volatile(want: Want, now_ms: int) -> bool:
    """Whether a whole record takes the volatile half along."""
    return want.volatile is not None and _free(want.volatile_quarantine, want, now_ms)


def content_rests(want: Want, now_ms: int) -> bool:
    """Whether the content half is in quarantine, so that the volatile half is all that goes."""
    return not _free(want.content_quarantine, want, now_ms)


def observe_absent(
    acked: Acked | None, want: Want | None, *, stamp: int, run_id: str, now_ms: int, status: int = GONE
) -> Change:
    """A complete pull missed the item, or the store says that it is deleted: archive it, and delete it in time.

    A want that nothing of has ever been sent is dropped by the lane: ``plan`` sees that Meta has nothing to hide.

    Args:
        status: ARCHIVED where nobody knows whether the store has it still and hides it.
    """
    if want is None and acked is None:
        return NOTHING
    content_stamp, volatile_stamp = _stamps(acked, want)
    if max(content_stamp, volatile_stamp) > stamp:
        return NOTHING  # something newer than this pull has seen it
    if want is not None and want.status != ACTIVE and want.gate_run is None:
        return NOTHING
    old = want or _as_acknowledged(acked, 0)
    new = old._replace(
        src_fp=0,  # its return is always a miss
        status=status,
        status_stamp=stamp,
        delete_at=None,
        content_quarantine=NOT_QUARANTINED,
        volatile_quarantine=NOT_QUARANTINED,
        attempts=0,
        retry_at=None,
        run_id=run_id,
        gate_run=None,
    )
    return Change(want=routed(acked, new, now_ms))


def hide_unknown(*, seq: int, run_id: str, now_ms: int) -> Want:
    """The want that archives an item which Meta shows and nobody here knows."""
    # What Meta has of it is in doubt, or there would be nothing to archive.
    want = _as_acknowledged(None, seq)._replace(status=ARCHIVED, uncertain=UNCERTAIN_CONTENT, run_id=run_id)
    return routed(None, want, now_ms)


def _free(quarantine: int, want: Want, now_ms: int) -> bool:
    if quarantine == BY_META:
        return want.retry_at is not None and want.retry_at <= now_ms
    return quarantine == NOT_QUARANTINED


def _verdict(ok: bool, before: int, *, changed: bool) -> int:
    if not ok:
        return BY_RULES
    return NOT_QUARANTINED if changed else before


def _stamps(acked: Acked | None, want: Want | None) -> tuple[int, int]:
    """Newest stamps at which the content half (with the status) and the volatile half are known."""
    if want is not None:
        return max(want.content_stamp, want.status_stamp), want.volatile_stamp
    if acked is not None:
        return acked.content_stamp, acked.volatile_stamp
    return 0, 0


def _differs(old: Want, new: Want) -> bool:
    return (
        old.content_fp != new.content_fp
        or old.volatile_fp != new.volatile_fp
        or old.status != new.status
        or old.content_quarantine != new.content_quarantine
        or old.volatile_quarantine != new.volatile_quarantine
    )


def _fresh_start(acked: Acked | None, old: Want, new: Want) -> Want:
    """The item's own data changed: earlier rejections no longer speak of it.

    An item that Meta does not have is created whole, so a change of either half frees both.
    """
    content_changed = old.content_fp != new.content_fp or old.status != new.status
    volatile_changed = old.volatile_fp != new.volatile_fp
    if acked is None and (content_changed or volatile_changed):
        content_changed = volatile_changed = True
    if content_changed and new.content_quarantine == BY_META:
        new = new._replace(content_quarantine=NOT_QUARANTINED)
    if volatile_changed and new.volatile_quarantine == BY_META:
        new = new._replace(volatile_quarantine=NOT_QUARANTINED)
    if BY_META not in (new.content_quarantine, new.volatile_quarantine):
        new = new._replace(attempts=0, retry_at=None)
    return new


def _as_acknowledged(acked: Acked | None, seq: int) -> Want:
    """The want that equals the acknowledged state (or, without one, nothing at all): the start of every new row."""
    if acked is None:
        return Want(
            seq, 0, 0, 0, 0, 0, ACTIVE, 0, 0, None, None, None, None, LANE_CONTENT, 0, None, 0, None, 0, 0, 0,
            NOT_QUARANTINED, NOT_QUARANTINED, None, None, None, None,
        )  # fmt: skip
    return Want(
        acked.seq, acked.src_fp, acked.content_fp, acked.volatile_fp, acked.content_stamp, acked.volatile_stamp,
        ARCHIVED if acked.archived else ACTIVE, 0, acked.state >> 1, None, None, None, None, LANE_CONTENT, 0, None,
        0, None, 0, 0, 0, NOT_QUARANTINED, NOT_QUARANTINED, None, None, None, None,
    )  # fmt: skip
