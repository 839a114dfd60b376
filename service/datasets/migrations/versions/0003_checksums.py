"""Checksums of stored prototypes; those that are there already stay without."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("prototype_chunks", sa.Column("sha256", sa.String(64), nullable=True))


def downgrade() -> None:
    op.drop_column("prototype_chunks", "sha256")
