"""The database's tables. Versions are named by their content, so that equal lists under two names are stored once."""

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
    sa.Column("vectors", sa.LargeBinary, nullable=False),  # float32, little endian, [class_count, D]
    sa.ForeignKeyConstraint(
        ["texts_key", "encoder_revision"],
        ["prototype_builds.texts_key", "prototype_builds.encoder_revision"],
        ondelete="CASCADE",
    ),
)
