"""A GPU's devices without a GPU: torch's fake tensors know their device and shape, and hold no numbers."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WAITS = ("item", "nonzero", "_local_scalar_dense", "is_nonzero")


class Traffic(TorchDispatchMode):
    """Counts what moves between host and device, and what makes the host wait for a number."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        moved = devices((args, kwargs)) and devices(result) and devices((args, kwargs)) != devices(result)
        if moved or function.__name__.split(".")[0] in WAITS:
            self.seen[function.__name__] += 1
        return result


def devices(tree: Any) -> set[str]:
    return {leaf.device.type for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)}


class FakeGpu:
    def __init__(self) -> None:
        self._mode = FakeTensorMode()

    def tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        plain = torch.from_numpy(tensor.detach().numpy().copy()) if tensor.is_inference() else tensor.detach()
        with self._mode:
            return self._mode.from_tensor(plain).to("cuda")

    def move(self, owner: object) -> None:
        """All tensors that are attributes of the object, and all of the modules among them."""
        for name, value in vars(owner).items():
            if isinstance(value, torch.Tensor):
                setattr(owner, name, self.tensor(value))
            elif isinstance(value, torch.nn.Module):
                for module in value.modules():
                    for table in (module._parameters, module._buffers):
                        table.update({key: self.tensor(kept) for key, kept in table.items() if kept is not None})

    def traffic(self, forward: Callable[..., torch.Tensor], inputs: Sequence[torch.Tensor], kept: Any) -> Counter[str]:
        """What a second run causes inside the mode `kept`; the result lies on the fake GPU."""
        sent = [self.tensor(tensor) for tensor in inputs]
        with torch.no_grad(), self._mode, kept:
            forward(*sent)
            with Traffic() as traffic:
                assert forward(*sent).device.type == "cuda"
        return traffic.seen
