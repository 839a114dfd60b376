"""The database's tables. Versions and pictures are named by their content, so that equal ones are stored once."""

from datetime import UTC, datetime

import sqlalchemy as sa

metadata = sa.MetaData()

versions = sa.Table(
    "dataset_versions",
    metadata,
    sa.Column("version", sa.String(64), primary_key=True),
    sa.Column("texts_key", sa.String(64), nullable=False, index=True),
    sa.Column("class_count", sa.Integer, nullable=False),
    sa.Column("spec", sa.Text, nullable=False),
)

datasets = sa.Table(
    "datasets",
    metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    # What answers now; null until the first build is done.
    sa.Column("current_version", sa.ForeignKey("dataset_versions.version"), nullable=True),
    # What answers once its prototypes are built; null when nothing is being built.
    sa.Column("pending_version", sa.ForeignKey("dataset_versions.version"), nullable=True),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
)

# Versions that stay reachable whether or not they answer now. One that was only ever registered has no row until
# another is put in its place by activation.
kept_versions = sa.Table(
    "kept_versions",
    metadata,
    sa.Column("name", sa.ForeignKey("datasets.name", ondelete="CASCADE"), primary_key=True),
    sa.Column("version", sa.ForeignKey("dataset_versions.version"), primary_key=True, index=True),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("origin", sa.String(20), nullable=False),
    sa.Column("note", sa.Text, nullable=False),  # a JSON object
)

# Example pictures, as they were sent.
exemplars = sa.Table(
    "exemplars",
    metadata,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

version_exemplars = sa.Table(
    "version_exemplars",
    metadata,
    sa.Column("version", sa.ForeignKey("dataset_versions.version", ondelete="CASCADE"), primary_key=True),
    sa.Column("sha256", sa.ForeignKey("exemplars.sha256"), primary_key=True, index=True),
)

builds = sa.Table(
    "prototype_builds",
    metadata,
    sa.Column("texts_key", sa.String(64), primary_key=True),
    sa.Column("encoder_revision", sa.String(200), primary_key=True),
    sa.Column("class_count", sa.Integer, nullable=False),
    sa.Column("classes_done", sa.Integer, nullable=False),
    sa.Column("failure", sa.Text, nullable=True),
    # One process builds at a time; a lease not renewed in time is free to be taken.
    sa.Column("lease_owner", sa.String(64), nullable=True),
    sa.Column("lease_until", sa.Float, nullable=False),
)

chunks = sa.Table(
    "prototype_chunks",
    metadata,
    sa.Column("texts_key", sa.String(64), primary_key=True),
    sa.Column("encoder_revision", sa.String(200), primary_key=True),
    sa.Column("first_class", sa.Integer, primary_key=True),
    sa.Column("class_count", sa.Integer, nullable=False),
    # float32, little endian: [class_count, D], or [class_count, 2, D] (of texts and of pictures) where a class has some
    sa.Column("vectors", sa.LargeBinary, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=True),  # of the vectors; null for those of the first services
    sa.ForeignKeyConstraint(
        ["texts_key", "encoder_revision"],
        ["prototype_builds.texts_key", "prototype_builds.encoder_revision"],
        ondelete="CASCADE",
    ),
)


def utc(time: datetime) -> datetime:
    """SQLite keeps no time zone: what was written as UTC is read as UTC."""
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
