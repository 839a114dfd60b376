"""Pictures that are fetched from an address."""

from pydantic import BaseModel, Field

_NAME = r"(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"


class FetchSettings(BaseModel):
    fetch_urls: bool = Field(False, description="Fetch pictures by `image_url`, over https, from public addresses.")
    fetch_hosts: str | None = Field(
        None,
        pattern=rf"^\s*{_NAME}(\s*,\s*{_NAME})*\s*$",
        description="The only hosts that pictures are fetched from, separated by commas; `*.example.org` stands for "
        "every name below it. By default every public one.",
    )
    fetch_timeout_s: float = Field(10.0, gt=0, le=300, description="Seconds for one fetch, redirects and all.")
    fetch_redirects: int = Field(3, ge=0, le=10, description="Most redirects that are followed.")
    fetch_concurrent: int = Field(
        16, ge=1, le=1024, description="Most pictures by URL at a time, from fetch to answer; more are refused (503)."
    )
