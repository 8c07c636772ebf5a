"""which message a message is sent again for, and the country that a person has chosen"""

import sqlalchemy as sa
from alembic import op

revision = "0016_since_0001"
down_revision = "0015_since_0001"
branch_labels = None
depends_on = None

big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("location", sa.Column("country_told", sa.String(length=2), server_default="", nullable=False))
    op.add_column("location", sa.Column("country_chosen", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute("UPDATE location SET country_told = country")
    op.add_column("message", sa.Column("resend_of_id", big_id, nullable=True))
    there = sa.text("resend_of_id IS NOT NULL")
    partial = {"postgresql_where": there, "sqlite_where": there}
    op.create_index("uq_message_resend_of", "message", ["resend_of_id"], unique=True, **partial)


def downgrade() -> None:
    op.drop_index("uq_message_resend_of", "message")
    for table, name in (("message", "resend_of_id"), ("location", "country_chosen"), ("location", "country_told")):
        op.drop_column(table, name)
