"""What can be seen of the service."""

from typing import Literal

from pydantic import BaseModel, Field


class ObservingSettings(BaseModel):
    metrics: Literal["on", "off"] = Field("on", description="`off`: nothing is counted, and there is no `/metrics`.")
    metrics_datasets: int = Field(
        20,
        ge=0,
        le=1000,
        description="Most datasets that metrics tell apart, the first that answer; the others are `(other)` together.",
    )
    traces: Literal["on", "off"] = Field(
        "off",
        description="Send [OpenTelemetry traces](#seeing-it-run) over OTLP (extra `otel`); where to, the standard "
        "`OTEL_` variables say.",
    )
