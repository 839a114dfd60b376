"""Datasets as the rest of the service sees them: registered, looked up, deleted. Safe to use from several threads."""

from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from service.datasets.build_store import BuildKey, BuildStore
from service.datasets.builder import Job, PrototypeBuilder, TextEncoder
from service.datasets.fingerprints import texts_key_of, version_of
from service.datasets.loaded import LoadedDatasets
from service.datasets.records import Dataset, DatasetInfo, RegistryLimits
from service.datasets.spec import DatasetSpec, check_dataset_name
from service.datasets.store import DatasetRow, DatasetStore, VersionGone, VersionRow
from service.errors import (
    DatasetBuildFailed,
    DatasetBuilding,
    DatasetNotFound,
    EncoderUnavailable,
    FieldProblem,
    InvalidFields,
)
from service.models.ports import PromptSet

Floats = NDArray[np.float32]


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
        """Make every registered dataset ready for this encoder, and resume builds that were cut off."""
        self._builder.start()
        for row in self._store.all_datasets():
            if row.pending_version is not None:
                self._builder.enqueue(self._job(row.pending_version))
            if row.current_version is not None:
                spec = self._store.spec(row.current_version)
                if self._usable(spec):
                    self._ensure_built(row.current_version)
                    self._load(row.current_version)
                    self._check_prompts(spec.prompt_set)

    def close(self) -> None:
        self._builder.close()

    def register(self, name: str, spec: DatasetSpec, *, replace: bool) -> tuple[DatasetInfo, bool]:
        """Keep `spec` under `name`; committed when this returns. Also returns whether anything changed.

        Raises:
            InvalidFields: more classes than allowed, an encoder that is not loaded, a prompt the localizer cannot take.
            DatasetConflict: the name has other content and `replace` is false.
        """
        check_dataset_name(name)
        self._check(spec)
        version = VersionRow(version_of(spec), texts_key_of(spec), len(spec.classes))
        row = self._store.find(name)
        unchanged = row is not None and version.version in _standing(row, replace)
        if not unchanged:
            key = self._key(version.texts_key)
            known = self._builds.build(key)
            at_once = version.class_count <= self._limits.background_build_classes
            taken = row is not None and not replace  # refused below, before any model time
            needs_build = not taken and at_once and not (known and known.ready)
            built = self._builder.compute(spec) if needs_build else None
            self._store.save(name, version, spec, key, replace=replace, built=built)
        info = self.info(name)
        if info.building is not None:
            self._builder.enqueue(Job(self._key(version.texts_key), info.building))
        return info, not unchanged

    def delete(self, name: str) -> None:
        self._store.delete(name)

    def infos(self) -> list[DatasetInfo]:
        return self._store.infos(self._encoder.revision)

    def info(self, name: str) -> DatasetInfo:
        """Raises DatasetNotFound."""
        found = self._store.infos(self._encoder.revision, name)
        if not found:
            raise _not_found(name)
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
        while True:
            row = self._store.find(name)
            if row is None:
                raise _not_found(name)
            if row.current_version is None:
                self._raise_not_built(name)
            with suppress(VersionGone):
                return self._load(row.current_version or "")

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

    def _key(self, texts_key: str) -> BuildKey:
        return BuildKey(texts_key, self._encoder.revision)

    def _job(self, version: str) -> Job:
        return Job(self._key(self._store.version(version).texts_key), version)

    def _ensure_built(self, version: str) -> None:
        row = self._store.version(version)
        self._builds.begin_build(self._key(row.texts_key), row.class_count)
        self._builder.build(Job(self._key(row.texts_key), version))

    def _load(self, version: str) -> Dataset:
        loaded = self._loaded.get(version)
        if loaded is not None:
            return loaded
        spec = self._store.spec(version)
        if not self._usable(spec):
            detail = f"the dataset wants the encoder {spec.encoder!r}; this service runs {self._encoder.name!r}"
            raise EncoderUnavailable(detail)
        job = self._job(version)
        vectors = self._builds.prototypes(job.key)
        if vectors is None:
            vectors = self._built_now(job, spec)
        dataset = Dataset(version, spec, spec.labels, vectors)
        self._loaded.keep(dataset)
        return dataset

    def _built_now(self, job: Job, spec: DatasetSpec) -> Floats:
        """Prototypes of a version that a replica with another encoder registered."""
        self._builds.begin_build(job.key, len(spec.classes))
        if len(spec.classes) > self._limits.background_build_classes:
            self._builder.enqueue(job)
        else:
            self._builder.build(job)
        vectors = self._builds.prototypes(job.key)
        if vectors is None:
            raise DatasetBuilding(f"version {job.version} is being built for this encoder", retry_after_s=5)
        return vectors

    def _raise_not_built(self, name: str) -> NoReturn:
        info = self.info(name)
        if info.status == "failed":
            raise DatasetBuildFailed(f"{name!r}: {info.failure}; register it again to retry")
        if info.building is not None:
            self._builder.enqueue(self._job(info.building))  # its builder may have died with another replica
        raise DatasetBuilding(f"{name!r} is {info.progress:.0%} built", retry_after_s=5)


def _not_found(name: str) -> DatasetNotFound:
    return DatasetNotFound(f"no dataset is named {name!r}; register it by POST /datasets")


def _standing(row: DatasetRow, replace: bool) -> tuple[str | None, ...]:
    """The versions whose repetition changes nothing: a PUT repeats the newest, a POST any that is there."""
    return (row.pending_version or row.current_version,) if replace else (row.current_version, row.pending_version)
