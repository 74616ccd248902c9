"""The tables of the snapshot database.

Two halves meet here: what the store says (``pending``: *desired*, only where it differs) and what Meta confirmed
(``snapshot``: *acknowledged*). Everything else is bookkeeping around moving the second toward the first.

Primary keys lead with the shop. Rows that exist once per item are narrow and are written by bulk statements only.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from worker.database.types import Instant

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite makes only INTEGER (not BIGINT) primary keys its row id.
_Id = BigInteger().with_variant(Integer(), "sqlite")

# PostgreSQL compares ids bytewise, as Python and SQLite do: sorted chunks stay sorted, and compares are cheap.
RetailerId = String(collation="C").with_variant(String(), "sqlite")

shop = Table(
    "shop",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("slug", String, nullable=False, unique=True),
    Column("store_kind", String, nullable=False),
    Column("store_url", String, nullable=False),
    Column("store_options", JSON, nullable=False),
    Column("mapping", JSON, nullable=False, comment="per-shop mapping document; part of the seed"),
    Column("catalog_id", String, nullable=False, unique=True, comment="one catalog, one shop; never changes"),
    Column("currency", String, comment="ISO 4217, used where the store gives none"),
    Column("meta_token", LargeBinary, comment="AES-GCM, bound to this shop and purpose"),
    Column("store_secret", LargeBinary, comment="AES-GCM, bound to this shop and purpose"),
    Column("state", String, nullable=False, comment="active, paused, needs_token"),
    Column("reason", Text, comment="why it is not active, one sentence with what to do"),
    Column("fields_sent", BigInteger, nullable=False, comment="bit mask: union of the optional fields ever sent"),
    Column("seed", BigInteger, nullable=False, comment="seed of the last complete full; 0 before it"),
    Column("observation_seq", BigInteger, nullable=False, comment="stamp of the last store request"),
    Column("item_seq", BigInteger, nullable=False, comment="last dense item number given out; never reused"),
    Column("content_floor", BigInteger, nullable=False, comment="all known content was seen at or after this stamp"),
    Column("volatile_floor", BigInteger, nullable=False, comment="the same for the volatile half"),
    Column("created_at", Instant, nullable=False),
    Column("limits", JSON, comment="the breaker's limits of this shop where they differ from the defaults"),
)

schedule = Table(
    "schedule",
    metadata,
    Column("shop_id", _Id, ForeignKey("shop.id", ondelete="CASCADE"), primary_key=True),
    Column("job", String, primary_key=True),
    Column("cron", String, nullable=False),
    Column("zone", String, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("next_run_at", Instant, comment="null while disabled"),
    Column("watermark", Text, comment="where the next incremental pull of this job starts; opaque, the store's"),
    Column("accepted_at", Instant, comment="start of the last run of this job, or of a full, that settled"),
    Index("ix_schedule_next_run_at", "next_run_at"),
)

run = Table(
    "run",
    metadata,
    Column("id", String, primary_key=True, comment="ULID: sorts by creation"),
    Column("shop_id", _Id, ForeignKey("shop.id", ondelete="CASCADE"), nullable=False),
    Column("job", String, nullable=False),
    Column("fire_time", Instant, nullable=False),
    Column("trigger", String, nullable=False, comment="schedule, manual"),
    Column("state", String, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    Column("deadline", Instant, nullable=False, comment="moved forward by progress; past it the sweeper ends the run"),
    Column("cursor", Text),
    Column("seen", LargeBinary, comment="bit map over item numbers; commits with the cursor"),
    Column("base_stamp", BigInteger, comment="stamp drawn before page 1"),
    Column("item_mark", BigInteger, comment="highest item number before page 1"),
    Column("watermark", Text, comment="becomes the schedule's when the pull is complete"),
    Column("seed", BigInteger, comment="seed this pull works with"),
    Column("complete", Boolean, nullable=False),
    Column("retry_since", Instant, comment="first failure of the pull since its last progress"),
    Column("retries", Integer, nullable=False),
    Column("starts", Integer, nullable=False, comment="slices begun without progress since"),
    Column("pulled", Integer, nullable=False),
    Column("unidentified", Integer, nullable=False, comment="records without an id: then absence proves nothing"),
    Column("invalid", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("created", Integer, nullable=False),
    Column("updated", Integer, nullable=False),
    Column("removed", Integer, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("error", Text),
    Column("rewritten", Integer, nullable=False, server_default="0", comment="items whose content at Meta changed"),
    Column("repriced", Integer, nullable=False, server_default="0", comment="items whose price changed by a factor"),
    Column("sold_out", Integer, nullable=False, server_default="0", comment="items that can no longer be bought"),
    Column("scope", JSON, comment="what a partial audit is limited to; null: everything"),
    UniqueConstraint("shop_id", "job", "fire_time"),
    Index("ix_run_shop_id_state", "shop_id", "state"),
)

snapshot = Table(
    "snapshot",
    metadata,
    Column("shop_id", _Id, primary_key=True),
    Column("retailer_id", RetailerId, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("src_fp", BigInteger, nullable=False, comment="raw record that normalises to exactly this pair; 0 unknown"),
    Column("content_fp", BigInteger, nullable=False),
    Column("volatile_fp", BigInteger, nullable=False),
    Column("content_stamp", BigInteger, nullable=False),
    Column("volatile_stamp", BigInteger, nullable=False),
    Column("state", SmallInteger, nullable=False, comment="bit 0 archived; the rest the band (stock bit, price log)"),
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": 90},
)

pending = Table(
    "pending",
    metadata,
    Column("shop_id", _Id, primary_key=True),
    Column("retailer_id", RetailerId, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("src_fp", BigInteger, nullable=False),
    Column("content_fp", BigInteger, nullable=False),
    Column("volatile_fp", BigInteger, nullable=False),
    Column("content_stamp", BigInteger, nullable=False),
    Column("volatile_stamp", BigInteger, nullable=False),
    Column("status", SmallInteger, nullable=False, comment="desired: 0 active, 1 archived, 2 deleted"),
    Column("status_stamp", BigInteger, nullable=False),
    Column("band", SmallInteger, nullable=False),
    Column("payload_id", BigInteger, comment="where the encoded content half lies; null: not at hand"),
    Column("payload_offset", Integer),
    Column("payload_length", Integer),
    Column("volatile", LargeBinary, comment="the encoded volatile half, about 120 bytes"),
    Column("lane", SmallInteger, nullable=False, comment="0 volatile first, 1 content, 2 status"),
    Column("due_at", BigInteger, nullable=False, comment="ms; when the lane may pick it"),
    Column("batch_id", BigInteger, comment="the open batch that holds it"),
    Column("attempts", SmallInteger, nullable=False, comment="rejections by Meta of this desired state"),
    Column("retry_at", BigInteger, comment="ms; when a half in Meta's quarantine may be tried again"),
    Column("strikes", SmallInteger, nullable=False, comment="shared unknowns, empties and whole-call refusals"),
    Column("share_limit", Integer, nullable=False, comment="largest call it may travel in; 0: any"),
    Column("uncertain", SmallInteger, nullable=False, comment="Meta may hold it otherwise: 1 content; 2 volatile"),
    Column("content_quarantine", SmallInteger, nullable=False, comment="0 none, 1 our rules, 2 Meta"),
    Column("volatile_quarantine", SmallInteger, nullable=False, comment="0 none, 1 our rules, 2 Meta"),
    Column("gate_run", String, comment="held by the breaker until this run is judged"),
    Column("run_id", String, comment="last full or delta run that changed it"),
    Column("volatile_run", String, comment="last volatile run that changed it, until that half is settled"),
    Column("delete_at", BigInteger, comment="ms; when an item that was archived because it is gone may be deleted"),
    Index(
        "ix_pending_due",
        "shop_id",
        "lane",
        "due_at",
        sqlite_where=text("batch_id IS NULL AND gate_run IS NULL"),
        postgresql_where=text("batch_id IS NULL AND gate_run IS NULL"),
    ),
    Index(
        "ix_pending_gated",
        "shop_id",
        "gate_run",
        "retailer_id",
        sqlite_where=text("gate_run IS NOT NULL"),
        postgresql_where=text("gate_run IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": 70},
)

payload = Table(
    "payload",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("shop_id", _Id, ForeignKey("shop.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("data", LargeBinary, nullable=False, comment="up to 1,000 encoded content halves, end to end"),
)

batch = Table(
    "batch",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("shop_id", _Id, ForeignKey("shop.id", ondelete="CASCADE"), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("state", String, nullable=False, comment="ready, sending, sent, settled, refused, unknown, resolved"),
    Column("upsert", Boolean, nullable=False),
    Column("items", Integer, nullable=False),
    Column("manifest", LargeBinary, nullable=False, comment="exactly what the bytes carry; see sync.manifest"),
    Column("runs", JSON, nullable=False, comment="ids of the runs whose items it carries"),
    Column("created_at", Instant, nullable=False),
    Column("sent_at", Instant, comment="when the call began"),
    Column("handle", String),
    Column("polls", Integer, nullable=False),
    Column("poll_at", Instant, comment="next poll, or when an unknown outcome may be resolved"),
    Column("last_poll_at", Instant),
    Column("settled_at", Instant),
    Column("accepted", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("fbtrace_id", String),
    Column("error", Text),
    Column("body", LargeBinary, comment="zlib copy of the request body, kept for some days"),
    Column("audited_at", Instant, comment="when the items of an unknown outcome were compared with Meta"),
    Index(
        "ix_batch_open",
        "shop_id",
        "state",
        sqlite_where=text("state IN ('ready', 'sending', 'sent', 'unknown')"),
        postgresql_where=text("state IN ('ready', 'sending', 'sent', 'unknown')"),
    ),
    Index(
        "ix_batch_unaudited",
        "shop_id",
        sqlite_where=text("state = 'resolved' AND audited_at IS NULL"),
        postgresql_where=text("state = 'resolved' AND audited_at IS NULL"),
    ),
    Index("ix_batch_created_at", "created_at"),
    Index(
        "ix_batch_body", "created_at", sqlite_where=text("body IS NOT NULL"), postgresql_where=text("body IS NOT NULL")
    ),
)

issue = Table(
    "issue",
    metadata,
    Column("shop_id", _Id, ForeignKey("shop.id", ondelete="CASCADE"), primary_key=True),
    Column("retailer_id", RetailerId, primary_key=True),
    Column("source", String, primary_key=True, comment="rules, validation, batch, review, diagnostics"),
    Column("code", String, primary_key=True),
    Column("severity", String, nullable=False),
    Column("message", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("owner", String, nullable=False),
    Column("url", Text),
    Column("first_seen", Instant, nullable=False),
    Column("last_seen", Instant, nullable=False),
    Column("count", Integer, nullable=False),
    Column("resolved_at", Instant),
    Index(
        "ix_issue_resolved_at",
        "resolved_at",
        sqlite_where=text("resolved_at IS NOT NULL"),
        postgresql_where=text("resolved_at IS NOT NULL"),
    ),
)

lease = Table(
    "lease",
    metadata,
    Column("shop_id", _Id, ForeignKey("shop.id", ondelete="CASCADE"), primary_key=True),
    Column("lane", String, primary_key=True, comment="push, or the job whose pull it covers"),
    Column("epoch", BigInteger, nullable=False, comment="fencing number: grows with every owner"),
    Column("owner", String),
    Column("expires_at", Instant, nullable=False),
    Column("wake_at", Instant, comment="when the lane's next wake-up is due; several waiters share one"),
)

budget = Table(
    "budget",
    metadata,
    Column(
        "key",
        String,
        primary_key=True,
        comment="app, catalog:ID:write, catalog:ID:read, store:HOST",
    ),
    Column("used_pct", Integer, nullable=False),
    Column("used_at", Instant, comment="when used_pct was read"),
    Column("blocked_until", Instant),
    Column("blocks", Integer, nullable=False, comment="throttles in a row; doubles a wait that names no time"),
    Column("last_ok_at", Instant),
    Column("reason", Text),
    Column("failing_since", Instant, comment="beginning of the last outage"),
    Column("recovered_at", Instant, comment="its end; null while it lasts"),
)

orphan = Table(
    "orphan",
    metadata,
    Column("shop_id", _Id, ForeignKey("shop.id", ondelete="CASCADE"), primary_key=True),
    Column("retailer_id", RetailerId, primary_key=True, comment="shown by Meta, known to nobody here"),
    Column("first_seen_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    Column("audits", Integer, nullable=False, comment="complete audits that saw it"),
    Column("ours", Boolean, nullable=False, comment="a batch of this shop carried it"),
)

heartbeat = Table(
    "heartbeat",
    metadata,
    Column("name", String, primary_key=True, comment="who shows a sign of life: a worker's node, the dispatch tick"),
    Column("at", Instant, nullable=False),
    Column("detail", JSON, nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("shop_id", _Id, comment="kept after the shop is gone: no foreign key"),
    Column("slug", String),
    Column("actor", String, nullable=False),
    Column("event", String, nullable=False),
    Column("detail", JSON, nullable=False),
)
