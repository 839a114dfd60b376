"""Which models run, where, and how."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field


class ModelSettings(BaseModel):
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
    models_cache: Path = Field(Path("models_cache"), description="Folder of the model weights.")
    offline: bool = Field(False, description="Never download: every weight must lie in the models cache.")
    hub_endpoint: str | None = Field(None, description="Address of a model hub mirror.")
    revisions: dict[str, str] = Field(
        default_factory=dict, description="JSON object of hub repository to pinned revision (branch, tag or commit)."
    )
