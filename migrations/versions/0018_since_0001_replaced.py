"""what the routes of imqs/messaging are set up with, for each sub-account"""

import sqlalchemy as sa
from alembic import op

revision = "0018_since_0001"
down_revision = "0017_since_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("location", sa.Column("bulksms_countries", sa.String(length=200), server_default="", nullable=False))
    op.add_column("location", sa.Column("bulksms_segments", sa.Integer(), nullable=True))
    op.add_column("location", sa.Column("bulksms_batch", sa.Integer(), nullable=True))


def downgrade() -> None:
    for name in ("bulksms_batch", "bulksms_segments", "bulksms_countries"):
        op.drop_column("location", name)
