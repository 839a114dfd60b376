"""What can be told of the decoder processes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DecoderState:
    """How many processes there should be, how many live, and how many were replaced so far."""

    wanted: int
    alive: int
    replaced: int
