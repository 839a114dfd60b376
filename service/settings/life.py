"""When the service is well, and how it ends."""

from pydantic import BaseModel, Field


class LifeSettings(BaseModel):
    canary_interval_s: float = Field(
        10.0, gt=0, description="A model that computed nothing for so many seconds is tried with a picture of our own."
    )
    stall_s: float = Field(
        30.0,
        gt=0,
        description="Seconds that one model call may take. Then the service is not ready; after twice as long the "
        "process ends with code 70.",
    )
    drain_delay_s: float = Field(
        5.0,
        ge=0,
        description="Seconds after SIGTERM in which `/readyz` says 503 and requests are still taken: as long as a load "
        "balancer needs to notice.",
    )
    shutdown_grace_s: int = Field(30, ge=0, description="Seconds that running requests get at the stop, after that.")
