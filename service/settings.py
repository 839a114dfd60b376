"""The only reader of the environment: frozen, bounded settings with prefix `L2R2_`. An unknown name stops the start."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as PydanticSettingsError

from service.errors import SettingsError

PREFIX = "L2R2_"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    profile: str = Field("embedded", description="Row of the profile table: which localizer and encoder to load.")
    localizer: str | None = Field(
        None, description="Catalog name or local folder of a localizer, instead of the profile's; `none` for no boxes."
    )
    encoder: str | None = Field(None, description="Catalog name or local folder of an encoder, not the profile's.")
    segmenter: str | None = Field(
        None, description="Catalog name or local folder of a segmenter, not the profile's; `none` for no masks."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where models run; `auto` is a GPU if there is one."
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Number format of the models; `auto` is bfloat16 where the hardware computes in it."
    )
    compile: Literal["auto", "off", "on"] = Field(
        "auto",
        description="On a GPU: `auto` captures CUDA graphs, `on` also compiles the encoder's blocks with torch (a "
        "longer start, and a C compiler is needed), `off` does neither.",
    )
    threads: int | None = Field(
        None, ge=1, le=256, description="Threads of one model; by default the processors this process may use."
    )

    data_dir: Path = Field(Path("data"), description="Folder of the default SQLite database.")
    database_url: str | None = Field(
        None, description="SQLAlchemy URL, such as `postgresql+psycopg://user:password@host/name`, instead of SQLite."
    )
    models_cache: Path = Field(Path("models_cache"), description="Folder of the model weights.")
    offline: bool = Field(False, description="Never download: every weight must lie in the models cache.")
    hub_endpoint: str | None = Field(None, description="Address of a model hub mirror.")
    revisions: dict[str, str] = Field(
        default_factory=dict, description="JSON object of hub repository to pinned revision (branch, tag or commit)."
    )

    max_body_bytes: int = Field(32 * 2**20, ge=1024, description="Largest request body in bytes.")
    max_image_bytes: int = Field(20 * 2**20, ge=1024, description="Largest encoded picture in bytes.")
    max_image_pixels: int = Field(100_000_000, ge=1, description="Most pixels a picture may have.")
    working_pixels: int = Field(
        4_000_000,
        ge=1_000_000,
        description="Larger pictures are reduced to 1/2, 1/4 or 1/8 when decoded; the shortest side keeps 1024 pixels "
        "as long as the picture keeps no more than 8 million.",
    )
    max_batch_images: int = Field(32, ge=1, le=256, description="Most pictures in one `/classify/batch` request.")
    max_classes: int = Field(100_000, ge=1, description="Most classes in one dataset.")
    max_top_k: int = Field(1000, ge=1, description="Largest `top_k` a caller may ask for.")

    box_threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Boxes scored below this are not used; by default the localizer's own threshold.",
    )
    box_margin: float = Field(0.0, ge=0, le=1, description="Widening of the box on every side, as a part of its size.")
    object_overlap: float = Field(
        0.5, ge=0, le=1, description="Boxes that overlap a better one more than that (IoU) are the same object."
    )
    background_build_texts: int = Field(
        4000, ge=1, description="Lists of more texts (classes x templates) are built in the background (202)."
    )
    prototypes_cache_mb: int = Field(1024, ge=1, description="Most memory that class prototypes take, in MiB.")
    build_chunk_texts: int = Field(512, ge=1, le=65536, description="Texts embedded and saved at a time.")

    embeddings_cache_mb: int = Field(
        32, ge=0, description="Most memory for boxes and embeddings of pictures seen before, in MiB; 0 keeps none."
    )

    queue_items: int = Field(256, ge=1, description="Most pictures waiting for a model before new ones are refused.")
    overlap: Literal["auto", "off", "on"] = Field(
        "auto",
        description="`on`: models compute beside each other, and the full view is embedded while the box is looked "
        "for; `off`: in turn, all views in one batch; `auto`: `on` on a GPU.",
    )
    max_batch_size: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Most pictures (or views, of the encoder) in one model call; by default as many as a GPU is found "
        "to gain from at the start, and on processors a number for each model.",
    )
    locate_timeout_s: float = Field(
        30.0, gt=0, description="Seconds to wait for the box before the full picture alone answers."
    )
    request_timeout_s: float = Field(60.0, gt=0, description="Seconds after which a classification is given up.")
    shutdown_grace_s: int = Field(30, ge=0, description="Seconds that running requests get at the stop.")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severity logged.")
    log_format: Literal["json", "text"] = Field("json", description="One JSON object a line, or text for people.")


def load_settings(**overrides: Any) -> Settings:
    """Read the environment; keyword arguments that are not None win over it.

    Raises:
        SettingsError: an unknown `L2R2_` name, or a value out of its bounds; every fault is named.
    """
    _refuse_unknown_names(os.environ)
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except PydanticSettingsError as error:  # a value that should have been JSON
        raise SettingsError(f"{error}: {error.__cause__}") from None
    except ValidationError as error:
        faults = [f"{PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors()]
        raise SettingsError("; ".join(faults)) from None


def environment_with(**overrides: Any) -> dict[str, str]:
    """The environment of another process of this service: this one's, with other values for some settings."""
    given = {PREFIX + name.upper(): str(value) for name, value in overrides.items() if value is not None}
    kept = {name: value for name, value in os.environ.items() if name.upper() not in given}
    return kept | given


def _refuse_unknown_names(environment: Mapping[str, str]) -> None:
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    faults = []
    for name in sorted(environment):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            faults.append(f"unknown setting {name}" + (f" (did you mean {near[0]}?)" if near else ""))
    if faults:
        raise SettingsError("; ".join(faults) + f". Known: {', '.join(known)}")
