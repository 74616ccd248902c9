"""What must hold, whatever went wrong before: each function returns sentences about what does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from tests.simulation.world import World
from worker.database.tables import batch, pending, run, shop
from worker.items.states import GONE
from worker.sync.manifest import unpack

_OPEN = ("ready", "sending", "sent", "unknown")


def at_any_time(world: World) -> list[str]:
    """What never happens, not even for a moment."""
    return [
        *(f"{key} was in two calls that could land in any order" for key in sorted(world.overlaps)),
        *(f"{what} nobody may" for what in world.intruders),
        *(f"{key} was removed although the store never was without it" for key in sorted(world.wrongly_removed)),
        *(f"{key} was deleted while Meta showed it" for key in sorted(world.deleted_shown)),
        *_in_two_states(world),
        *_ran_twice(world),
    ]


def at_rest(world: World) -> list[str]:
    """Nothing is under way any more; what Meta refuses may wait. Nothing is believed that is not so."""
    problems = [f"run {row.id} is {row.state}" for row in world.rows(run) if row.finished_at is None]
    problems += [
        f"run {row.id} is {row.state} and nobody says why"
        for row in world.rows(run)
        if row.finished_at is not None and row.state != "succeeded" and not row.error
    ]
    problems += [f"batch {row.id} is {row.state}" for row in world.rows(batch) if row.state in _OPEN]
    return problems + world.misbelieved()


def in_the_end(world: World) -> list[str]:
    """Nothing stands in the way any more, every store was read, and whatever Meta refused was tried again."""
    problems = [f"{row.retailer_id} is still pending" for row in world.rows(pending) if row.status != GONE]
    for row in world.rows(shop):
        problems += world.differences(row.slug, row.catalog_id)
    return problems


def in_the_very_end(world: World) -> list[str]:
    """Every grace time is over: nothing is left of what is gone."""
    problems = [f"{row.retailer_id} is still pending" for row in world.rows(pending)]
    for row in world.rows(shop):
        left = world.meta.catalog(row.catalog_id).items.keys() - world.shelves[row.slug].items.keys()
        problems += [f"{key} is gone and was never deleted" for key in sorted(left)]
    return problems + in_the_end(world)


def sent_for_ever(world: World, before: Counter[tuple[str, str]], most: int) -> list[str]:
    """Items that travelled more often since ``before`` than what stands in their way explains."""
    return [
        f"{key} was sent {number} times in vain" for (_, key), number in (world.tried - before).items() if number > most
    ]


def untouched(world: World, slug: str, words: Collection[str]) -> list[str]:
    """A neighbour's trouble, known by these words, that has reached this shop."""
    shop_id = next(row.id for row in world.rows(shop) if row.slug == slug)
    return [
        f"run {row.id} of {slug} ended with a neighbour's trouble: {row.error}"
        for row in world.rows(run)
        if row.shop_id == shop_id and row.error and any(word in row.error for word in words)
    ]


def _in_two_states(world: World) -> list[str]:
    """An item that is in flight is carried by exactly the open batch that its row names."""
    carrying = Counter(
        (row.shop_id, line.retailer_id, row.id)
        for row in world.rows(batch)
        if row.state in _OPEN
        for line in unpack(row.manifest)
    )
    named = Counter(
        (row.shop_id, row.retailer_id, row.batch_id) for row in world.rows(pending) if row.batch_id is not None
    )
    return [
        *(f"{key} travels in batch {batch_id}, and its row does not name it" for _, key, batch_id in carrying - named),
        *(f"{key} is not in batch {batch_id}, which its row names" for _, key, batch_id in named - carrying),
    ]


def _ran_twice(world: World) -> list[str]:
    slots = Counter((row.shop_id, row.job, row.fire_time) for row in world.rows(run) if row.trigger == "schedule")
    return [f"the slot {slot} ran {number} times" for slot, number in slots.items() if number > 1]
