"""Datasets as the rest of the service sees them: registered, looked up, deleted. Safe to use from several threads."""

import logging
from collections.abc import Callable
from contextlib import suppress

from service.batching import WorkerHealth
from service.datasets.build_store import BuildKey, BuildStore
from service.datasets.builder import PrototypeBuilder, TextEncoder
from service.datasets.fingerprints import texts_key_of, version_of
from service.datasets.loaded import LoadedDatasets
from service.datasets.records import Dataset, DatasetInfo, RegistryLimits
from service.datasets.spec import DATASET_NAME, DatasetSpec, check_dataset_name
from service.datasets.store import DatasetStore, VersionGone, VersionRow
from service.errors import (
    DatasetBuildFailed,
    DatasetBuilding,
    DatasetNotFound,
    EncoderUnavailable,
    FieldProblem,
    InvalidFields,
)
from service.models.ports import PromptSet

log = logging.getLogger(__name__)


class Registry:
    def __init__(
        self,
        store: DatasetStore,
        builds: BuildStore,
        builder: PrototypeBuilder,
        encoder: TextEncoder,
        check_prompts: Callable[[PromptSet], None],
        limits: RegistryLimits,
    ) -> None:
        self._store, self._builds, self._builder, self._encoder = store, builds, builder, encoder
        self._check_prompts, self._limits = check_prompts, limits
        self._loaded = LoadedDatasets(limits.cache_bytes)

    def start(self) -> None:
        """Make every registered dataset ready for this encoder, and resume builds that were cut off.

        A dataset that cannot be made ready is logged and answers with its own error; the others are served.
        """
        for info in self.infos():
            with suppress(VersionGone):
                if info.building is not None:
                    self._builder.enqueue(self._key_of(info.building))
                if info.version is not None:
                    self._make_ready(info.name, info.version)

    def close(self) -> None:
        self._builder.close()

    def health(self) -> WorkerHealth:
        return self._builder.health()

    def register(self, name: str, spec: DatasetSpec, *, replace: bool) -> tuple[DatasetInfo, bool | None]:
        """Keep `spec` under `name`; committed when this returns. Also returns whether it is new, None if it was there.

        Raises:
            InvalidFields: more classes than allowed, an encoder that is not loaded, a prompt the localizer cannot take.
            DatasetConflict: the name has other content and `replace` is false.
        """
        check_dataset_name(name)
        self._check(spec)
        version = VersionRow(version_of(spec), texts_key_of(spec), len(spec.classes))
        key = BuildKey(version.texts_key, self._encoder.revision)
        found = self._store.infos(key.encoder_revision, name)
        if found and found[0].holds(version.version, newest_only=replace):
            info, is_new = found[0], None
        else:
            refused = bool(found) and not replace  # by the store, which decides; no model time is spent before
            built = None
            if not refused and self._fits_in_a_request(spec) and not self._builds.is_ready(key):
                built = self._builder.compute(spec)
            info, is_new = self._store.save(name, version, spec, key, replace=replace, built=built)
        if info.building == version.version:
            self._builds.forget_failure(key)
            self._builder.enqueue(key)
        return info, is_new

    def delete(self, name: str) -> None:
        """Raises DatasetNotFound."""
        _check_known_form(name)
        self._store.delete(name)

    def infos(self) -> list[DatasetInfo]:
        return self._store.infos(self._encoder.revision)

    def info(self, name: str) -> DatasetInfo:
        """Raises DatasetNotFound."""
        _check_known_form(name)
        found = self._store.infos(self._encoder.revision, name)
        if not found:
            raise _not_found(name)
        if found[0].status == "building":
            self._resume(found[0].building)
        return found[0]

    def content(self, name: str) -> tuple[DatasetInfo, DatasetSpec]:
        """A dataset with its newest content. Raises DatasetNotFound."""
        while True:
            info = self.info(name)
            with suppress(VersionGone):
                return info, self._store.spec(info.newest)

    def lookup(self, name: str) -> Dataset:
        """The version that answers now, whichever replica registered it.

        Raises:
            DatasetNotFound, DatasetBuilding, DatasetBuildFailed, EncoderUnavailable.
        """
        _check_known_form(name)
        while True:
            row = self._store.find(name)
            if row is None:
                raise _not_found(name)
            self._resume(row.pending_version)
            with suppress(VersionGone):
                return self._load(row.current_version or row.pending_version or "")

    def _check(self, spec: DatasetSpec) -> None:
        if len(spec.classes) > self._limits.max_classes:
            detail = f"holds {len(spec.classes)} classes; at most {self._limits.max_classes}"
            raise InvalidFields(FieldProblem("classes", detail))
        if not self._usable(spec):
            detail = f"the encoder {spec.encoder!r} is not loaded"
            raise InvalidFields(FieldProblem("encoder", detail, (self._encoder.name,)))
        try:
            self._check_prompts(spec.prompt_set)
        except ValueError as error:
            raise InvalidFields(FieldProblem("localizer_prompts", str(error))) from None

    def _usable(self, spec: DatasetSpec) -> bool:
        return spec.encoder in (None, self._encoder.name)

    def _fits_in_a_request(self, spec: DatasetSpec) -> bool:
        return sum(map(spec.text_count, spec.classes)) <= self._limits.background_build_texts

    def _key_of(self, version: str) -> BuildKey:
        """Raises VersionGone."""
        return BuildKey(self._store.texts_key(version), self._encoder.revision)

    def _make_ready(self, name: str, version: str) -> None:
        """Raises VersionGone."""
        spec = self._store.spec(version)
        if not self._usable(spec):
            return
        try:
            self._builder.build(self._key_of(version), wait=True)
            self._load(version)
            self._check_prompts(spec.prompt_set)
        except (DatasetBuilding, DatasetBuildFailed, RuntimeError, ValueError) as error:
            log.warning("a dataset is not ready", extra={"dataset": name, "reason": f"{type(error).__name__}: {error}"})

    def _resume(self, pending_version: str | None) -> None:
        """Its builder may have died with another replica."""
        if pending_version is not None:
            with suppress(VersionGone):
                self._builder.enqueue(self._key_of(pending_version))

    def _load(self, version: str) -> Dataset:
        """Raises VersionGone, EncoderUnavailable, DatasetBuilding, DatasetBuildFailed."""
        loaded = self._loaded.get(version)
        if loaded is not None:
            return loaded
        spec = self._store.spec(version)
        if not self._usable(spec):
            detail = f"the dataset wants the encoder {spec.encoder!r}; this service runs {self._encoder.name!r}"
            raise EncoderUnavailable(detail)
        key = self._key_of(version)
        vectors = self._builds.prototypes(key)
        if vectors is None:
            raise self._not_built(key)
        dataset = Dataset(version, spec, spec.labels, vectors)
        self._loaded.keep(dataset)
        return dataset

    def _not_built(self, key: BuildKey) -> DatasetBuilding | DatasetBuildFailed:
        """Still building, or registered by a replica with another encoder, which is made up for in the background."""
        row = self._builds.build(key)
        if row is not None and row.failure is not None:
            return DatasetBuildFailed(f"the dataset could not be built: {row.failure}; register it again to retry")
        self._builder.enqueue(key)
        done = 0.0 if row is None else row.classes_done / row.class_count
        return DatasetBuilding(f"the dataset is {done:.0%} built", retry_after_s=5)


def _check_known_form(name: str) -> None:
    """A name that cannot have been registered need not be asked for; not every database takes every string."""
    if not DATASET_NAME.fullmatch(name):
        raise _not_found(name)


def _not_found(name: str) -> DatasetNotFound:
    return DatasetNotFound(f"no dataset is named {name!r}; register it by POST /datasets")
