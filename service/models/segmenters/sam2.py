"""SAM 2 (Ravi et al. 2024) through transformers, prompted by a box; a video checkpoint's memory is left out."""

from pathlib import Path

import torch
from transformers import Sam2Model, Sam2Processor

from service.models.hardware import Hardware
from service.models.quiet import quiet_transformers
from service.models.segmenters.box_prompted import BoxPrompted


class Sam2(BoxPrompted):
    """Sees a picture squashed to a square."""

    def __init__(self, name: str, revision: str, folder: Path, hardware: Hardware) -> None:
        quiet_transformers()
        processor = Sam2Processor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model = Sam2Model.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
        super().__init__(name, revision, model, processor, hardware)
