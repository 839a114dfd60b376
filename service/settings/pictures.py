"""What pictures may be, and how they are looked at."""

from typing import Literal

from pydantic import BaseModel, Field


class PictureSettings(BaseModel):
    max_image_bytes: int = Field(20 * 2**20, ge=1024, description="Largest encoded picture in bytes.")
    max_image_pixels: int = Field(100_000_000, ge=1, description="Most pixels a picture may have.")
    max_metadata_bytes: int = Field(
        4 * 2**20, ge=1024, description="Most bytes of EXIF, colour profile, XMP and texts in a picture."
    )
    formats: str | None = Field(
        None,
        description="Formats let in, separated by commas; by default jpeg, png, webp, gif, bmp, tiff, avif, heif.",
    )
    decoders: Literal["processes", "threads"] = Field(
        "processes",
        description="Where the service decodes pictures: `processes`, as many as `L2R2_THREADS`, may crash, hang or "
        "run out of memory without harm to it; `threads` of its own are for platforms that lack what these need.",
    )
    decode_timeout_s: float = Field(
        10.0, gt=0, le=600, description="Seconds that decoding a picture may take in a decoder process."
    )
    decoder_memory_mb: int = Field(
        2048,
        ge=256,
        description="Most memory of a decoder process, in MiB; 16 bytes for each of `L2R2_MAX_IMAGE_PIXELS` suffice.",
    )
    working_pixels: int = Field(
        4_000_000,
        ge=1_000_000,
        description="Larger pictures are reduced to 1/2, 1/4 or 1/8 when decoded; the shortest side keeps 1024 pixels "
        "as long as the picture keeps no more than 8 million.",
    )
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
    locate_timeout_s: float = Field(
        30.0, gt=0, description="Seconds to wait for the box before the full picture alone answers."
    )
    embeddings_cache_mb: int = Field(
        16, ge=0, description="Most memory for boxes and embeddings of pictures seen before, in MiB; 0 keeps none."
    )
