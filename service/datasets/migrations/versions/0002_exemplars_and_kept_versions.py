"""Example pictures, and versions that stay reachable."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exemplars",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    version = sa.ForeignKey("dataset_versions.version", ondelete="CASCADE")
    op.create_table(
        "version_exemplars",
        sa.Column("version", sa.String(64), version, primary_key=True),
        sa.Column("sha256", sa.String(64), sa.ForeignKey("exemplars.sha256"), primary_key=True),
    )
    op.create_index("ix_version_exemplars_sha256", "version_exemplars", ["sha256"])
    op.create_table(
        "kept_versions",
        sa.Column("name", sa.String(100), sa.ForeignKey("datasets.name", ondelete="CASCADE"), primary_key=True),
        sa.Column("version", sa.String(64), sa.ForeignKey("dataset_versions.version"), primary_key=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("origin", sa.String(20), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_index("ix_kept_versions_version", "kept_versions", ["version"])


def downgrade() -> None:
    for table in ("kept_versions", "version_exemplars", "exemplars"):
        op.drop_table(table)
