"""the last webhook of a sender is found by its address"""

import sqlalchemy as sa
from alembic import op

revision = "0015_since_0001"
down_revision = "0014_since_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # HighLevel's events, most of them all, have no key and are not in it.
    own = sa.text("sender_key <> ''")
    op.create_index("ix_event_sender", "event", ["sender_key", "id"], postgresql_where=own, sqlite_where=own)


def downgrade() -> None:
    op.drop_index("ix_event_sender", "event")
