"""The tables of the first version.

A migration says what a database became at that time, so it names its types itself and imports no table.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.BigInteger()
RETAILER_ID = sa.String(collation="C").with_variant(sa.String(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("shop_id", ID, nullable=True, comment="kept after the shop is gone: no foreign key"),
        sa.Column("slug", sa.String(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_table(
        "budget",
        sa.Column("key", sa.String(), nullable=False, comment="app, catalog:ID:write, catalog:ID:read, store:HOST"),
        sa.Column("used_pct", sa.Integer(), nullable=False),
        sa.Column("used_at", INSTANT, nullable=True, comment="when used_pct was read"),
        sa.Column("blocked_until", INSTANT, nullable=True),
        sa.Column(
            "blocks", sa.Integer(), nullable=False, comment="throttles in a row; doubles a wait that names no time"
        ),
        sa.Column("last_ok_at", INSTANT, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_budget")),
    )
    op.create_table(
        "pending",
        sa.Column("shop_id", ID, nullable=False),
        sa.Column("retailer_id", RETAILER_ID, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("src_fp", sa.BigInteger(), nullable=False),
        sa.Column("content_fp", sa.BigInteger(), nullable=False),
        sa.Column("volatile_fp", sa.BigInteger(), nullable=False),
        sa.Column("content_stamp", sa.BigInteger(), nullable=False),
        sa.Column("volatile_stamp", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False, comment="desired: 0 active, 1 archived, 2 deleted"),
        sa.Column("status_stamp", sa.BigInteger(), nullable=False),
        sa.Column("band", sa.SmallInteger(), nullable=False),
        sa.Column(
            "payload_id",
            sa.BigInteger(),
            nullable=True,
            comment="where the encoded content half lies; null: not at hand",
        ),
        sa.Column("payload_offset", sa.Integer(), nullable=True),
        sa.Column("payload_length", sa.Integer(), nullable=True),
        sa.Column("volatile", sa.LargeBinary(), nullable=True, comment="the encoded volatile half, about 120 bytes"),
        sa.Column("lane", sa.SmallInteger(), nullable=False, comment="0 volatile first, 1 content, 2 status"),
        sa.Column("due_at", sa.BigInteger(), nullable=False, comment="ms; when the lane may pick it"),
        sa.Column("batch_id", sa.BigInteger(), nullable=True, comment="the open batch that holds it"),
        sa.Column("attempts", sa.SmallInteger(), nullable=False, comment="rejections by Meta of this desired state"),
        sa.Column(
            "retry_at",
            sa.BigInteger(),
            nullable=True,
            comment="ms; when a half in Meta's quarantine may be tried again",
        ),
        sa.Column(
            "strikes", sa.SmallInteger(), nullable=False, comment="shared unknowns, empties and whole-call refusals"
        ),
        sa.Column("share_limit", sa.Integer(), nullable=False, comment="largest call it may travel in; 0: any"),
        sa.Column(
            "uncertain", sa.SmallInteger(), nullable=False, comment="Meta may hold it otherwise: 1 content; 2 volatile"
        ),
        sa.Column("content_quarantine", sa.SmallInteger(), nullable=False, comment="0 none, 1 our rules, 2 Meta"),
        sa.Column("volatile_quarantine", sa.SmallInteger(), nullable=False, comment="0 none, 1 our rules, 2 Meta"),
        sa.Column("gate_run", sa.String(), nullable=True, comment="held by the breaker until this run is judged"),
        sa.Column("run_id", sa.String(), nullable=True, comment="last full or delta run that changed it"),
        sa.Column(
            "volatile_run",
            sa.String(),
            nullable=True,
            comment="last volatile run that changed it, until that half is settled",
        ),
        sa.PrimaryKeyConstraint("shop_id", "retailer_id", name=op.f("pk_pending")),
        postgresql_with={"fillfactor": 70},
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_pending_due",
        "pending",
        ["shop_id", "lane", "due_at"],
        unique=False,
        sqlite_where=sa.text("batch_id IS NULL AND gate_run IS NULL"),
        postgresql_where=sa.text("batch_id IS NULL AND gate_run IS NULL"),
    )
    op.create_table(
        "shop",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("store_kind", sa.String(), nullable=False),
        sa.Column("store_url", sa.String(), nullable=False),
        sa.Column("store_options", sa.JSON(), nullable=False),
        sa.Column("mapping", sa.JSON(), nullable=False, comment="per-shop mapping document; part of the seed"),
        sa.Column("catalog_id", sa.String(), nullable=False, comment="one catalog, one shop; never changes"),
        sa.Column("currency", sa.String(), nullable=True, comment="ISO 4217, used where the store gives none"),
        sa.Column("meta_token", sa.LargeBinary(), nullable=True, comment="AES-GCM, bound to this shop and purpose"),
        sa.Column("store_secret", sa.LargeBinary(), nullable=True, comment="AES-GCM, bound to this shop and purpose"),
        sa.Column("state", sa.String(), nullable=False, comment="active, paused, needs_token"),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it is not active, one sentence with what to do"),
        sa.Column(
            "fields_sent", sa.BigInteger(), nullable=False, comment="bit mask: union of the optional fields ever sent"
        ),
        sa.Column("seed", sa.BigInteger(), nullable=False, comment="seed of the last complete full; 0 before it"),
        sa.Column("observation_seq", sa.BigInteger(), nullable=False, comment="stamp of the last store request"),
        sa.Column(
            "item_seq", sa.BigInteger(), nullable=False, comment="last dense item number given out; never reused"
        ),
        sa.Column(
            "content_floor",
            sa.BigInteger(),
            nullable=False,
            comment="all known content was seen at or after this stamp",
        ),
        sa.Column("volatile_floor", sa.BigInteger(), nullable=False, comment="the same for the volatile half"),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shop")),
        sa.UniqueConstraint("catalog_id", name=op.f("uq_shop_catalog_id")),
        sa.UniqueConstraint("slug", name=op.f("uq_shop_slug")),
    )
    op.create_table(
        "snapshot",
        sa.Column("shop_id", ID, nullable=False),
        sa.Column("retailer_id", RETAILER_ID, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column(
            "src_fp",
            sa.BigInteger(),
            nullable=False,
            comment="raw record that normalises to exactly this pair; 0 unknown",
        ),
        sa.Column("content_fp", sa.BigInteger(), nullable=False),
        sa.Column("volatile_fp", sa.BigInteger(), nullable=False),
        sa.Column("content_stamp", sa.BigInteger(), nullable=False),
        sa.Column("volatile_stamp", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.SmallInteger(),
            nullable=False,
            comment="bit 0 archived; the rest the band (stock bit, price log)",
        ),
        sa.PrimaryKeyConstraint("shop_id", "retailer_id", name=op.f("pk_snapshot")),
        postgresql_with={"fillfactor": 90},
        sqlite_with_rowid=False,
    )
    op.create_table(
        "batch",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("shop_id", ID, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column(
            "state", sa.String(), nullable=False, comment="ready, sending, sent, settled, refused, unknown, resolved"
        ),
        sa.Column("upsert", sa.Boolean(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column(
            "manifest", sa.LargeBinary(), nullable=False, comment="exactly what the bytes carry; see sync.manifest"
        ),
        sa.Column("runs", sa.JSON(), nullable=False, comment="ids of the runs whose items it carries"),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("sent_at", INSTANT, nullable=True, comment="when the call began"),
        sa.Column("handle", sa.String(), nullable=True),
        sa.Column("polls", sa.Integer(), nullable=False),
        sa.Column("poll_at", INSTANT, nullable=True, comment="next poll, or when an unknown outcome may be resolved"),
        sa.Column("last_poll_at", INSTANT, nullable=True),
        sa.Column("settled_at", INSTANT, nullable=True),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("fbtrace_id", sa.String(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True, comment="zlib copy of the request body, kept for some days"),
        sa.ForeignKeyConstraint(["shop_id"], ["shop.id"], name=op.f("fk_batch_shop_id_shop"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
    )
    op.create_index("ix_batch_created_at", "batch", ["created_at"], unique=False)
    op.create_index(
        "ix_batch_open",
        "batch",
        ["shop_id", "state"],
        unique=False,
        sqlite_where=sa.text("state IN ('ready', 'sending', 'sent', 'unknown')"),
        postgresql_where=sa.text("state IN ('ready', 'sending', 'sent', 'unknown')"),
    )
    op.create_table(
        "issue",
        sa.Column("shop_id", ID, nullable=False),
        sa.Column("retailer_id", RETAILER_ID, nullable=False),
        sa.Column("source", sa.String(), nullable=False, comment="rules, validation, batch, review, diagnostics"),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("first_seen", INSTANT, nullable=False),
        sa.Column("last_seen", INSTANT, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("resolved_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["shop_id"], ["shop.id"], name=op.f("fk_issue_shop_id_shop"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", "retailer_id", "source", "code", name=op.f("pk_issue")),
    )
    op.create_table(
        "lease",
        sa.Column("shop_id", ID, nullable=False),
        sa.Column("lane", sa.String(), nullable=False, comment="push, or the job whose pull it covers"),
        sa.Column("epoch", sa.BigInteger(), nullable=False, comment="fencing number: grows with every owner"),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column(
            "wake_at", INSTANT, nullable=True, comment="when the lane's next wake-up is due; several waiters share one"
        ),
        sa.ForeignKeyConstraint(["shop_id"], ["shop.id"], name=op.f("fk_lease_shop_id_shop"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", "lane", name=op.f("pk_lease")),
    )
    op.create_table(
        "payload",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("shop_id", ID, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False, comment="up to 1,000 encoded content halves, end to end"),
        sa.ForeignKeyConstraint(["shop_id"], ["shop.id"], name=op.f("fk_payload_shop_id_shop"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payload")),
    )
    op.create_index(op.f("ix_payload_shop_id"), "payload", ["shop_id"], unique=False)
    op.create_table(
        "run",
        sa.Column("id", sa.String(), nullable=False, comment="ULID: sorts by creation"),
        sa.Column("shop_id", ID, nullable=False),
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("fire_time", INSTANT, nullable=False),
        sa.Column("trigger", sa.String(), nullable=False, comment="schedule, manual"),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT, nullable=True),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column(
            "deadline", INSTANT, nullable=False, comment="moved forward by progress; past it the sweeper ends the run"
        ),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column(
            "seen", sa.LargeBinary(), nullable=True, comment="bit map over item numbers; commits with the cursor"
        ),
        sa.Column("base_stamp", sa.BigInteger(), nullable=True, comment="stamp drawn before page 1"),
        sa.Column("item_mark", sa.BigInteger(), nullable=True, comment="highest item number before page 1"),
        sa.Column("watermark", sa.Text(), nullable=True, comment="becomes the schedule's when the pull is complete"),
        sa.Column("seed", sa.BigInteger(), nullable=True, comment="seed this pull works with"),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("retry_since", INSTANT, nullable=True, comment="first failure of the pull since its last progress"),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("starts", sa.Integer(), nullable=False, comment="slices begun without progress since"),
        sa.Column("pulled", sa.Integer(), nullable=False),
        sa.Column(
            "unidentified", sa.Integer(), nullable=False, comment="records without an id: then absence proves nothing"
        ),
        sa.Column("invalid", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("created", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["shop_id"], ["shop.id"], name=op.f("fk_run_shop_id_shop"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sa.UniqueConstraint("shop_id", "job", "fire_time", name=op.f("uq_run_shop_id_job_fire_time")),
    )
    op.create_index("ix_run_shop_id_state", "run", ["shop_id", "state"], unique=False)
    op.create_table(
        "schedule",
        sa.Column("shop_id", ID, nullable=False),
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("cron", sa.String(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("next_run_at", INSTANT, nullable=True, comment="null while disabled"),
        sa.Column(
            "watermark",
            sa.Text(),
            nullable=True,
            comment="where the next incremental pull of this job starts; opaque, the store's",
        ),
        sa.Column(
            "accepted_at",
            INSTANT,
            nullable=True,
            comment="start of the last run of this job, or of a full, that settled",
        ),
        sa.ForeignKeyConstraint(["shop_id"], ["shop.id"], name=op.f("fk_schedule_shop_id_shop"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", "job", name=op.f("pk_schedule")),
    )
    op.create_index("ix_schedule_next_run_at", "schedule", ["next_run_at"], unique=False)


def downgrade() -> None:
    for name in (
        "audit_log", "budget", "lease", "issue", "batch", "payload", "pending", "snapshot", "run", "schedule", "shop",
    ):  # fmt: skip
        op.drop_table(name)
