"""Decisions, as the projector copies them from their topic: why each message was sent or not."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

TABLE = """
CREATE TABLE decisions (
    decided_on    date        NOT NULL,  -- UTC day of the decision itself: a replay meets the same partition
    decision_id   uuid        NOT NULL,
    decided_at    timestamptz NOT NULL,
    tenant        text        NOT NULL,
    profile_id    text        NOT NULL,
    flow          text        NOT NULL,
    enrollment_id uuid,                  -- NULL: it was refused
    command_id    uuid,                  -- NULL: nothing was ordered
    log_partition integer     NOT NULL,  -- its first place on the topic, which orders what was decided at one instant
    log_offset    bigint      NOT NULL,
    body          json        NOT NULL,  -- the decision as it came; not jsonb, which refuses an escaped NUL
    PRIMARY KEY (decided_on, decision_id)
) PARTITION BY LIST (decided_on)
"""


def upgrade() -> None:
    """Create the table; its partitions come on demand, one a day."""
    op.execute(TABLE)
    op.execute("CREATE INDEX ON decisions (command_id) WHERE command_id IS NOT NULL")
    op.execute("CREATE INDEX ON decisions (enrollment_id) WHERE enrollment_id IS NOT NULL")
    op.execute("CREATE INDEX ON decisions (profile_id, flow, decided_at)")


def downgrade() -> None:
    """Take it away: whatever the topic still holds can be projected again."""
    op.execute("DROP TABLE decisions")
