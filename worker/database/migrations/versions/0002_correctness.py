"""What approvals, the audit, outages and the watchdog remember."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.BigInteger()
RETAILER_ID = sa.String(collation="C").with_variant(sa.String(), "sqlite")


def upgrade() -> None:
    # Added one by one: SQLite rewrites no row for them, however many there are.
    op.add_column(
        "shop", _column("limits", sa.JSON(), "the breaker's limits of this shop where they differ from the defaults")
    )
    op.add_column("run", _counter("rewritten", "items whose content at Meta changed"))
    op.add_column("run", _counter("repriced", "items whose price changed by a factor"))
    op.add_column("run", _counter("sold_out", "items that can no longer be bought"))
    op.add_column("run", _column("scope", sa.JSON(), "what a partial audit is limited to; null: everything"))
    op.add_column(
        "pending",
        _column("delete_at", sa.BigInteger(), "ms; when an item that was archived because it is gone may be deleted"),
    )
    # Empty while the breaker holds nothing.
    op.create_index(
        "ix_pending_gated",
        "pending",
        ["shop_id", "gate_run", "retailer_id"],
        unique=False,
        sqlite_where=sa.text("gate_run IS NOT NULL"),
        postgresql_where=sa.text("gate_run IS NOT NULL"),
    )
    op.add_column(
        "batch", _column("audited_at", INSTANT, "when the items of an unknown outcome were compared with Meta")
    )
    unaudited = sa.text("state = 'resolved' AND audited_at IS NULL")
    op.create_index("ix_batch_unaudited", "batch", ["shop_id"], sqlite_where=unaudited, postgresql_where=unaudited)
    op.execute(
        "INSERT INTO schedule (shop_id, job, cron, zone, enabled) "
        "SELECT id, 'audit', 'H H * * H', 'UTC', true FROM shop"
    )
    op.add_column("budget", _column("failing_since", INSTANT, "beginning of the last outage"))
    op.add_column("budget", _column("recovered_at", INSTANT, "its end; null while it lasts"))
    _partial_index("ix_batch_body", "batch", "created_at", "body IS NOT NULL")
    _partial_index("ix_issue_resolved_at", "issue", "resolved_at", "resolved_at IS NOT NULL")
    op.create_table(
        "orphan",
        sa.Column("shop_id", ID, nullable=False),
        sa.Column("retailer_id", RETAILER_ID, nullable=False, comment="shown by Meta, known to nobody here"),
        sa.Column("first_seen_at", INSTANT, nullable=False),
        sa.Column("last_seen_at", INSTANT, nullable=False),
        sa.Column("audits", sa.Integer(), nullable=False, comment="complete audits that saw it"),
        sa.Column("ours", sa.Boolean(), nullable=False, comment="a batch of this shop carried it"),
        sa.ForeignKeyConstraint(["shop_id"], ["shop.id"], name=op.f("fk_orphan_shop_id_shop"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", "retailer_id", name=op.f("pk_orphan")),
    )
    op.create_table(
        "heartbeat",
        sa.Column(
            "name",
            sa.String(),
            nullable=False,
            comment="who shows a sign of life: a worker's node, the dispatch tick",
        ),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_heartbeat")),
    )


def downgrade() -> None:
    op.drop_table("heartbeat")
    op.drop_table("orphan")
    op.execute("DELETE FROM schedule WHERE job = 'audit'")
    op.drop_index("ix_batch_unaudited", "batch")
    op.drop_index("ix_pending_gated", "pending")
    op.drop_index("ix_issue_resolved_at", table_name="issue")
    op.drop_index("ix_batch_body", table_name="batch")
    for table, name in (
        ("budget", "recovered_at"),
        ("budget", "failing_since"),
        ("batch", "audited_at"),
        ("pending", "delete_at"),
        ("run", "scope"),
        ("run", "sold_out"),
        ("run", "repriced"),
        ("run", "rewritten"),
        ("shop", "limits"),
    ):
        op.drop_column(table, name)


def _column(name: str, kind: sa.types.TypeEngine[Any], comment: str) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True, comment=comment)


def _counter(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default="0", comment=comment)


def _partial_index(name: str, table: str, column: str, where: str) -> None:
    op.create_index(name, table, [column], sqlite_where=sa.text(where), postgresql_where=sa.text(where))
