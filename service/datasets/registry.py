"""Datasets as the rest of the service sees them: registered, looked up, deleted. Safe to use from several threads."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from service.datasets.build_store import BuildKey, BuildStore
from service.datasets.builder import Job, PrototypeBuilder, TextEncoder
from service.datasets.fingerprints import texts_key_of, version_of
from service.datasets.records import Dataset, DatasetInfo, RegistryLimits, describe
from service.datasets.spec import DatasetSpec, check_dataset_name
from service.datasets.store import DatasetRow, DatasetStore, VersionRow
from service.errors import (
    DatasetBuildFailed,
    DatasetBuilding,
    EncoderUnavailable,
    FieldProblem,
    InvalidFields,
    NotReady,
)
from service.models.ports import PromptSet


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
        self._loaded: OrderedDict[str, Dataset] = OrderedDict()
        self._loaded_lock = threading.Lock()

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

    def names(self) -> list[str]:
        return [row.name for row in self._store.all_datasets()]

    def info(self, name: str) -> DatasetInfo:
        """Raises DatasetNotFound."""
        row = self._store.dataset(name)
        shown = row.pending_version or row.current_version or ""
        build = self._builds.build(self._job(shown).key)
        return describe(row, build, self._store.spec(shown))

    def lookup(self, name: str) -> Dataset:
        """The version that answers now, whichever replica registered it.

        Raises:
            DatasetNotFound, DatasetBuilding, DatasetBuildFailed, EncoderUnavailable.
        """
        row = self._store.dataset(name)
        if row.current_version is None:
            self._raise_not_built(row)
        dataset = self._load(row.current_version or "")
        if not self._usable(dataset.spec):
            raise EncoderUnavailable(
                f"{name!r} wants the encoder {dataset.spec.encoder!r}; this service runs {self._encoder.name!r}"
            )
        return dataset

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
        with self._loaded_lock:
            if version in self._loaded:
                self._loaded.move_to_end(version)
                return self._loaded[version]
        key = self._job(version).key
        vectors = self._builds.prototypes(key)
        if vectors is None:  # registered by a replica with another encoder
            self._ensure_built(version)
            vectors = self._builds.prototypes(key)
        if vectors is None:
            raise NotReady(f"the prototypes of version {version} are not complete", retry_after_s=1)
        spec = self._store.spec(version)
        dataset = Dataset(version, spec, spec.labels, vectors)
        self._keep(dataset)
        return dataset

    def _keep(self, dataset: Dataset) -> None:
        with self._loaded_lock:
            self._loaded[dataset.version] = dataset
            while len(self._loaded) > 1 and self._loaded_bytes() > self._limits.cache_bytes:
                self._loaded.popitem(last=False)

    def _loaded_bytes(self) -> int:
        return sum(dataset.prototypes.nbytes for dataset in self._loaded.values())

    def _raise_not_built(self, row: DatasetRow) -> None:
        job = self._job(row.pending_version or "")
        build = self._builds.build(job.key)
        if build is not None and build.failure is not None:
            raise DatasetBuildFailed(f"{row.name!r}: {build.failure}; PUT it again to retry")
        self._builder.enqueue(job)  # its builder may have died with another replica
        done = 0.0 if build is None else build.classes_done / build.class_count
        raise DatasetBuilding(f"{row.name!r} is {done:.0%} built", retry_after_s=5)


def _standing(row: DatasetRow, replace: bool) -> tuple[str | None, ...]:
    """The versions whose repetition changes nothing: a PUT repeats the newest, a POST any that is there."""
    return (row.pending_version or row.current_version,) if replace else (row.current_version, row.pending_version)
