"""SAM (Kirillov et al. 2023) through transformers, prompted by a box."""

from pathlib import Path

import torch
from transformers import SamModel, SamProcessor

from service.models.hardware import Hardware
from service.models.quiet import quiet_transformers
from service.models.segmenters.box_prompted import BoxPrompted


class Sam(BoxPrompted):
    """Sees a picture with its aspect ratio kept."""

    def __init__(self, name: str, revision: str, folder: Path, hardware: Hardware) -> None:
        quiet_transformers()
        processor = SamProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model = SamModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
        super().__init__(name, revision, model, processor, hardware)
