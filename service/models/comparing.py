"""Views against all classes of a dataset: one product, where the prototypes lie (in memory, or on the GPU)."""

import numpy as np
import torch

from service.models.hardware import use_torch_threads
from service.models.ports import Floats


class ResidentPrototypes:
    """Prototypes `[L, D]`; those on the CPU share the array's memory, those on a GPU are copied there once.

    Reading them takes nearly all of the time, and torch reads them once for a handful of views. (Numpy's BLAS repacks
    them at every call, which takes three times as long.)
    """

    def __init__(self, prototypes: Floats, device: str) -> None:
        self._rows = torch.from_numpy(prototypes).to(device)

    @torch.inference_mode()
    def __call__(self, views: Floats) -> Floats:
        """Cosines `[V, L]` of unit `views [V, D]`, in float32; safe to call from several threads."""
        use_torch_threads(1)  # requests compute side by side
        seen = np.zeros((max(2, len(views)), views.shape[1]), np.float32)  # one view alone takes a slower way
        seen[: len(views)] = views
        cosines = (self._rows @ torch.from_numpy(seen).to(self._rows.device).T).T[: len(views)]
        rows: Floats = cosines.contiguous().cpu().numpy()
        return rows
