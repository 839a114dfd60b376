"""A capture of computations that works on processors: it keeps the inputs and computes again."""

from collections.abc import Sequence

import torch

from service.models.graphs import Replay, Work


class Recorder:
    """As CUDA graphs do: the inputs have a place that the next ones are copied to, the result is always the same
    tensor."""

    def __init__(self) -> None:
        self.captured: list[tuple[int, ...]] = []

    def __call__(self, work: Work, inputs: Sequence[torch.Tensor]) -> Replay:
        self.captured.append(tuple(inputs[0].shape))
        kept = [tensor.clone() for tensor in inputs]
        result = work(*kept).clone()

        def replay(*given: torch.Tensor) -> torch.Tensor:
            for place, tensor in zip(kept, given, strict=True):
                place[: len(tensor)].copy_(tensor)
            return result.copy_(work(*kept))

        return replay
