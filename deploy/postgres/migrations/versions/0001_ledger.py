"""The ledger of commands: what was ordered, who is carrying it out, what became of it.

Unqualified names land in the schema of the log's namespace, which is first on the connection's search path.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

TABLE = """
CREATE TABLE commands (
    decided_on    date        NOT NULL,  -- UTC day of the command's own decision: a replay meets the same partition
    command_id    uuid        NOT NULL,
    body_hash     bytea       NOT NULL,  -- of the canonical command: the same id must always come with the same order
    body          json        NOT NULL,  -- the canonical command; not jsonb, which refuses an escaped NUL
    sender        text        NOT NULL,  -- smtp, log, or none for a channel that nobody serves
    priority      smallint    NOT NULL,
    not_after     timestamptz,           -- NULL on a carried clock, where it is not observed
    sequence      bigint      NOT NULL DEFAULT nextval('command_sequence'),
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    state         text        NOT NULL DEFAULT 'pending' CHECK (state IN
                  ('pending', 'sending', 'accepted', 'rejected', 'expired', 'unknown', 'failed')),
    due_at        timestamptz NOT NULL DEFAULT now(),  -- a retry waits until then
    attempts      smallint    NOT NULL DEFAULT 0,      -- how often sending has begun
    owner         uuid,                  -- the dispatcher process of the last lease
    token         bigint,                -- fencing token of the last lease: who holds another may not write
    lease_until   timestamptz,           -- NULL: nobody holds it
    reason        text,
    provider_id   text,
    finished_at   timestamptz,           -- NULL while open
    receipt_published_at timestamptz,    -- the outbox flag: finished and NULL means a receipt is owed
    PRIMARY KEY (decided_on, command_id),
    CHECK ((finished_at IS NULL) = (state IN ('pending', 'sending')))
) PARTITION BY LIST (decided_on)
"""


def upgrade() -> None:
    """Create the ledger; its partitions come on demand, one a day."""
    op.execute("CREATE SEQUENCE command_sequence")
    op.execute("CREATE SEQUENCE lease_token")
    op.execute(TABLE)
    op.execute("CREATE INDEX ON commands (priority DESC, due_at, sequence) WHERE state = 'pending'")
    op.execute("CREATE INDEX ON commands (not_after) WHERE state = 'pending'")
    op.execute("CREATE INDEX ON commands (lease_until) WHERE state = 'sending'")
    op.execute("CREATE INDEX ON commands (finished_at) WHERE finished_at IS NOT NULL AND receipt_published_at IS NULL")


def downgrade() -> None:
    """Refuse: going back would forget what was sent, and it would be sent again."""
    raise NotImplementedError("the ledger is not taken away by a migration; restore a backup instead")
