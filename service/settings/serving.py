"""How requests are taken, and when they are given up."""

from typing import Literal

from pydantic import BaseModel, Field


class ServingSettings(BaseModel):
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    max_body_bytes: int = Field(32 * 2**20, ge=1024, description="Largest request body in bytes.")
    request_timeout_s: float = Field(60.0, gt=0, description="Seconds after which a classification is given up.")
    queue_items: int = Field(256, ge=1, description="Most pictures waiting for a model before new ones are refused.")
    max_top_k: int = Field(1000, ge=1, description="Largest `top_k` a caller may ask for.")
    max_batch_images: int = Field(32, ge=1, le=256, description="Most pictures in one `/classify/batch` request.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severity logged.")
    log_format: Literal["json", "text"] = Field("json", description="One JSON object a line, or text for people.")
