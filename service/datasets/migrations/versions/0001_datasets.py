"""Datasets, their versions, and the prototypes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dataset_versions",
        sa.Column("version", sa.String(64), primary_key=True),
        sa.Column("texts_key", sa.String(64), nullable=False),
        sa.Column("class_count", sa.Integer, nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
    )
    op.create_index("ix_dataset_versions_texts_key", "dataset_versions", ["texts_key"])
    op.create_table(
        "datasets",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("current_version", sa.String(64), sa.ForeignKey("dataset_versions.version"), nullable=True),
        sa.Column("pending_version", sa.String(64), sa.ForeignKey("dataset_versions.version"), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "prototype_builds",
        sa.Column("texts_key", sa.String(64), primary_key=True),
        sa.Column("encoder_revision", sa.String(200), primary_key=True),
        sa.Column("class_count", sa.Integer, nullable=False),
        sa.Column("classes_done", sa.Integer, nullable=False),
        sa.Column("failure", sa.Text, nullable=True),
        sa.Column("lease_owner", sa.String(64), nullable=True),
        sa.Column("lease_until", sa.Float, nullable=False),
    )
    op.create_table(
        "prototype_chunks",
        sa.Column("texts_key", sa.String(64), primary_key=True),
        sa.Column("encoder_revision", sa.String(200), primary_key=True),
        sa.Column("first_class", sa.Integer, primary_key=True),
        sa.Column("class_count", sa.Integer, nullable=False),
        sa.Column("vectors", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(
            ["texts_key", "encoder_revision"],
            ["prototype_builds.texts_key", "prototype_builds.encoder_revision"],
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    for table in ("prototype_chunks", "prototype_builds", "datasets", "dataset_versions"):
        op.drop_table(table)
