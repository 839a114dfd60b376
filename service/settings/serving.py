"""How requests are taken, and when they are given up."""

from typing import Literal

from pydantic import BaseModel, Field


class ServingSettings(BaseModel):
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    max_body_bytes: int = Field(32 * 2**20, ge=1024, description="Largest request body in bytes.")
    max_bodies_mb: int = Field(
        512, ge=1, description="Most memory for all request bodies that are being received or worked on, in MiB."
    )
    body_timeout_s: float = Field(30.0, gt=0, description="Seconds that a request body may take to arrive.")
    body_pause_s: float = Field(10.0, gt=0, description="Seconds that may pass without a byte of an expected body.")
    head_timeout_s: float = Field(10.0, gt=0, description="Seconds that a request's head may take to arrive.")
    write_timeout_s: float = Field(30.0, gt=0, description="Seconds that a caller may take to read what is sent.")
    keep_alive_s: int = Field(75, ge=1, description="Seconds that a connection is kept open for a further request.")
    max_connections: int = Field(
        1000,
        ge=1,
        description="Most connections at a time, fewer where the process may have too few open files; the one idle for "
        "longest makes room for a new one.",
    )
    max_head_bytes: int = Field(32 * 2**10, ge=1024, description="Largest request head in bytes.")
    max_headers: int = Field(100, ge=1, description="Most header fields of a request.")
    request_timeout_s: float = Field(
        60.0,
        gt=0,
        description="Seconds in which a classification must be answered; one that cannot be is refused at once. A "
        "request may ask for fewer (`X-Request-Timeout-Ms`).",
    )
    queue_items: int = Field(256, ge=1, description="Most pictures waiting for a model before new ones are refused.")
    max_top_k: int = Field(1000, ge=1, description="Largest `top_k` a caller may ask for.")
    max_batch_images: int = Field(32, ge=1, le=256, description="Most pictures in one `/classify/batch` request.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severity logged.")
    log_format: Literal["json", "text"] = Field("json", description="One JSON object a line, or text for people.")
