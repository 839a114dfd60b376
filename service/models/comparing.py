"""Views against all classes of a dataset: one product, where the prototypes lie (in memory, or on the GPU)."""

import numpy as np
import torch

from service.models.hardware import Hardware, use_torch_threads
from service.models.ports import Floats

MANY_CLASSES = 20_000
SPARE = 256


class ResidentPrototypes:
    """Prototypes `[L, D]`; those on the CPU share the array's memory, those on a GPU are copied there once.

    Reading them takes nearly all of the time, and torch reads them once for a handful of views. (Numpy's BLAS repacks
    them at every call, which takes three times as long.) Processors that compute in bfloat16 read MANY_CLASSES or more
    as such, half as many bytes, and compute in float32 what is among twice as many of the best as were asked for, and
    SPARE more, of any view: the others' cosines, whose classes only count in what all probabilities sum up to, are off
    by up to 0.004.
    """

    def __init__(self, prototypes: Floats, hardware: Hardware) -> None:
        self._rows = torch.from_numpy(prototypes).to(hardware.device)
        coarse = hardware.bfloat16 and hardware.device == "cpu" and len(prototypes) >= MANY_CLASSES
        self._coarse = self._rows.to(torch.bfloat16) if coarse else None

    @property
    def extra_bytes(self) -> int:
        """On processors, beside the prototypes themselves."""
        return 0 if self._coarse is None else self._coarse.nbytes

    @torch.inference_mode()
    def __call__(self, views: Floats, best: int) -> Floats:
        """Cosines `[V, L]` of unit `views [V, D]`, in float32, the `best` of each view exact; for any thread."""
        use_torch_threads(1)  # requests compute side by side
        seen = np.zeros((max(2, len(views)), views.shape[1]), np.float32)  # one view alone takes a slower way
        seen[: len(views)] = views
        columns = torch.from_numpy(seen).to(self._rows.device).T
        refined = 2 * best + SPARE
        if self._coarse is None or refined >= len(self._rows):
            cosines = (self._rows @ columns).T[: len(views)].contiguous()
        else:
            cosines = (self._coarse @ columns.to(torch.bfloat16)).T[: len(views)].float().contiguous()
            places = torch.unique(cosines.topk(refined, sorted=False).indices)
            cosines[:, places] = (self._rows.index_select(0, places) @ columns).T[: len(views)]
        rows: Floats = cosines.cpu().numpy()
        return rows
