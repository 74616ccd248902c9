"""What there is in a simulated world, wherever it has got to: in the database, in the stores, at Meta."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, select

from tests.simulation.shelf import Shelf
from worker.database.engine import reading
from worker.database.tables import batch, issue, pending, run, shop, snapshot
from worker.items import prepare
from worker.sandbox.catalog import CatalogModel

CATALOG = "1001"
SLUG = "acme"


class State:
    """Read, and never changed: only Meta may have to catch up with the time.

    Attributes:
        shelves: The store of each shop, by slug.
    """

    engine: Engine
    meta: CatalogModel
    now_s: float
    shelves: dict[str, Shelf]

    def shop(self) -> Any:
        return self.rows(shop)[0]

    def open_work(self) -> list[str]:
        with reading(self.engine) as connection:
            runs = connection.execute(select(run.c.id).where(run.c.state.in_(("queued", "pulling", "pushing")))).all()
            wants = connection.execute(
                select(pending.c.retailer_id).where(
                    ((pending.c.due_at < (self.now_s + 3600) * 1000) & pending.c.gate_run.is_(None))
                    | pending.c.batch_id.is_not(None)
                )
            ).all()
            batches = connection.execute(
                select(batch.c.id).where(batch.c.state.in_(("ready", "sending", "sent", "unknown")))
            ).all()
        return [
            f"{what} {row[0]}" for what, rows in (("run", runs), ("want", wants), ("batch", batches)) for row in rows
        ]

    def rows(self, table: Any) -> list[Any]:
        with reading(self.engine) as connection:
            return list(connection.execute(select(table)))

    def run(self, run_id: str) -> dict[str, Any]:
        with reading(self.engine) as connection:
            return dict(connection.execute(select(run).where(run.c.id == run_id)).mappings().one())

    def issues(self) -> list[tuple[str, str, str]]:
        return sorted((row.retailer_id, row.source, row.code) for row in self.rows(issue) if row.resolved_at is None)

    def wanted(self, retailer_id: str) -> Any:
        return next((row for row in self.rows(pending) if row.retailer_id == retailer_id), None)

    def acknowledged(self, retailer_id: str) -> Any:
        return next((row for row in self.rows(snapshot) if row.retailer_id == retailer_id), None)

    def at_meta(self, catalog: str = CATALOG) -> dict[str, dict[str, Any]]:
        """What Meta shows: its items that are not archived, in the field names of a call."""
        self.meta.tick()
        items = self.meta.catalog(catalog).items
        fields = {key: item.fields for key, item in items.items()}
        return {key: item for key, item in fields.items() if item.get("status", "active") != "archived"}

    def differences(self, slug: str = SLUG, catalog: str = CATALOG) -> list[str]:
        """Where Meta differs from the store, item by item; empty at rest."""
        shown, offered = self.at_meta(catalog), self.shelves[slug].offered()
        found = [f"{key} should be gone" for key in shown.keys() - offered.keys()]
        found += [f"{key} is missing" for key in offered.keys() - shown.keys()]
        for key in shown.keys() & offered.keys():
            for name in ("title", "price", "availability", "color"):
                if shown[key].get(name) != offered[key].get(name):
                    found.append(f"{key}.{name}: Meta {shown[key].get(name)!r}, store {offered[key].get(name)!r}")
        return sorted(found)

    def misbelieved(self) -> list[str]:
        """Where the snapshot claims what Meta does not have. What is pending is known to differ."""
        catalogs = {row.id: row.catalog_id for row in self.rows(shop)}
        shown = {shop_id: self.at_meta(catalog) for shop_id, catalog in catalogs.items()}
        waiting = {(row.shop_id, row.retailer_id) for row in self.rows(pending)}
        found = []
        for row in self.rows(snapshot):
            key = row.retailer_id
            at_meta = shown[row.shop_id].get(key)
            if (row.shop_id, key) in waiting:
                continue
            if row.state & 1:
                if at_meta is not None:
                    found.append(f"{key} is believed archived")
            elif at_meta is None:
                found.append(f"{key} is believed to be there")
            else:
                prepared = prepare(key, dict(at_meta), "USD")
                if (prepared.content_fp, prepared.volatile_fp) != (row.content_fp, row.volatile_fp):
                    found.append(f"{key} is believed to be otherwise")
        return found
