"""Versions made ready to answer: their prototypes read once and held in memory, or built where they are missing."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from service.datasets.admission import no_mixing
from service.datasets.build_store import BuildKey, BuildStore
from service.datasets.builder import PrototypeBuilder
from service.datasets.contents import ContentStore, VersionGone
from service.datasets.loaded import LoadedDatasets
from service.datasets.prototypes import DatasetEncoder, from_rows
from service.datasets.records import Dataset
from service.errors import (
    DatabaseCorrupt,
    DatabaseUnavailable,
    DatasetBuildFailed,
    DatasetBuilding,
    EncoderUnavailable,
    ServiceError,
)
from service.models.ports import PromptSet

log = logging.getLogger(__name__)


class ReadyVersions:
    def __init__(
        self,
        contents: ContentStore,
        builds: BuildStore,
        builder: PrototypeBuilder,
        encoder: DatasetEncoder,
        cache_bytes: int,
    ) -> None:
        self._contents, self._builds, self._builder, self._encoder = contents, builds, builder, encoder
        self._loaded, self._loading = LoadedDatasets(cache_bytes), threading.Lock()

    def get(self, version: str) -> Dataset:
        """Raises VersionGone, EncoderUnavailable, DatasetBuilding, DatasetBuildFailed."""
        loaded = self.held(version)
        if loaded is not None:
            return loaded
        with self._loading:  # a long list is read once, however many ask for it at the same time
            return self.held(version) or self._load(version)

    def held(self, version: str) -> Dataset | None:
        """What `get` gives, if it is in memory."""
        return self._loaded.get(version)

    def _load(self, version: str) -> Dataset:
        spec = self._contents.spec(version)
        if not self._encoder.serves(spec):
            detail = f"the dataset wants the encoder {spec.encoder!r}; this service runs {self._encoder.name!r}"
            raise EncoderUnavailable(detail)
        key = self.key_of(version)
        rows = self._builds.rows(key)
        if rows is None:
            raise self._not_built(key)
        try:
            vectors = from_rows(spec, rows, shared_space=self._encoder.shared_space)
        except ValueError:  # registered where another encoder runs
            raise EncoderUnavailable(no_mixing(self._encoder.name)) from None
        dataset = self._encoder.dataset_of(version, spec, vectors)
        self._loaded.keep(dataset)
        return dataset

    def key_of(self, version: str) -> BuildKey:
        """Raises VersionGone."""
        texts_key, pictured = self._contents.texts_key(version)
        return BuildKey(texts_key, self._encoder.revisions[pictured])

    def resume(self, pending_version: str | None) -> None:
        """Its builder may have died with another replica."""
        if pending_version is not None:
            with suppress(VersionGone):
                self._builder.enqueue(self.key_of(pending_version))

    def prepare(self, name: str, version: str, check_prompts: Callable[[PromptSet], None]) -> None:
        """Build and load at the start; what cannot be made ready is logged.

        Raises:
            VersionGone, DatabaseUnavailable, DatabaseCorrupt.
        """
        spec = self._contents.spec(version)
        if not self._encoder.serves(spec):
            return
        try:
            self._builder.build(self.key_of(version), wait=True)
            self.get(version)
            check_prompts(spec.prompt_set)
        except (DatabaseUnavailable, DatabaseCorrupt):
            raise
        except (ServiceError, RuntimeError, ValueError) as error:
            log.warning("a dataset is not ready", extra={"dataset": name, "reason": f"{type(error).__name__}: {error}"})

    def _not_built(self, key: BuildKey) -> DatasetBuilding | DatasetBuildFailed:
        """Still building, or registered by a replica with another encoder, which is made up for in the background."""
        row = self._builds.build(key)
        if row is not None and row.failure is not None:
            return DatasetBuildFailed(f"the dataset could not be built: {row.failure}; register it again to retry")
        self._builder.enqueue(key)
        done = 0.0 if row is None else row.classes_done / row.class_count
        return DatasetBuilding(f"the dataset is {done:.0%} built", retry_after_s=5)
