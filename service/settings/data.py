"""Registered class lists."""

from pathlib import Path

from pydantic import BaseModel, Field


class DataSettings(BaseModel):
    data_dir: Path = Field(Path("data"), description="Folder of the default SQLite database.")
    database_url: str | None = Field(
        None, description="SQLAlchemy URL, such as `postgresql+psycopg://user:password@host/name`, instead of SQLite."
    )
    max_classes: int = Field(100_000, ge=1, description="Most classes in one dataset.")
    background_build_texts: int = Field(
        4000, ge=1, description="Lists of more texts (classes x templates) are built in the background (202)."
    )
    max_adhoc_classes: int = Field(
        1000,
        ge=1,
        description="Most classes that come with a request instead of a dataset's name; their texts are also bounded "
        "by `L2R2_BACKGROUND_BUILD_TEXTS`.",
    )
    adhoc_cache_mb: int = Field(64, ge=0, description="Most memory for class lists of requests, in MiB; 0 keeps none.")
    prototypes_cache_mb: int = Field(1024, ge=1, description="Most memory that class prototypes take, in MiB.")
    build_chunk_texts: int = Field(512, ge=1, le=65536, description="Texts embedded and saved at a time.")
