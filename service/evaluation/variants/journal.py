"""What was found in pictures, kept line by line, so that an interrupted run need not ask the models again."""

import json
from dataclasses import replace
from pathlib import Path

from service.errors import OutputRefused
from service.evaluation.variants.files import is_made_from, read
from service.evaluation.variants.subjects import Finding, Task
from service.recognition.boxes import Box

JOURNAL = "objects.jsonl"


class Journal:
    """Findings by their task's digest. A line that is not whole is no finding.

    Raises:
        FileUnreadable: the file is there and cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL
        self._findings: dict[str, Finding] = {}
        written = read(self._path).decode(errors="replace") if self._path.exists() else ""
        for line in written.splitlines():
            try:
                digest, edges, fields = json.loads(line)
                finding = Finding(**fields)
                self._findings[digest] = replace(finding, box=Box(*edges)) if edges else finding
            except (ValueError, TypeError):
                continue

    def get(self, task: Task) -> Finding | None:
        """The finding of an earlier run, if its mask is still there."""
        finding = self._findings.get(task.digest)
        if finding and finding.mask_digest and not is_made_from(task.target, task.digest):
            return None
        return finding

    def add(self, task: Task, finding: Finding) -> None:
        """Raises: OutputRefused."""
        edges = list(vars(finding.box).values()) if finding.box else None
        fields = {name: value for name, value in vars(finding).items() if name != "box"}
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write("\n" + json.dumps([task.digest, edges, fields]))  # the line before may be cut short
        except OSError as error:
            raise OutputRefused(f"{self._path} cannot be written: {error.strerror}") from None
