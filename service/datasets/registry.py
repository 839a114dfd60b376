"""Datasets as the rest of the service sees them: registered, looked up, deleted. Safe to use from several threads."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from service.batch_record import WorkerHealth
from service.datasets.admission import Admission
from service.datasets.build_store import BuildKey, BuildStore
from service.datasets.builder import PrototypeBuilder
from service.datasets.contents import VersionGone, VersionRow
from service.datasets.current import CurrentVersions
from service.datasets.fingerprints import texts_key_of, version_of
from service.datasets.prototypes import DatasetEncoder, has_pictures
from service.datasets.ready import ReadyVersions
from service.datasets.records import Dataset, DatasetInfo, RegistryLimits, VersionInfo
from service.datasets.spec import DATASET_NAME, DatasetSpec, check_dataset_name
from service.datasets.store import DatasetStore
from service.errors import DatasetNotFound, FieldProblem, InvalidFields, NotReady, Overloaded
from service.models.ports import PromptSet

NO_PICTURES: Mapping[str, bytes] = MappingProxyType({})


class Registry:
    def __init__(
        self,
        store: DatasetStore,
        builds: BuildStore,
        builder: PrototypeBuilder,
        encoder: DatasetEncoder,
        check_prompts: Callable[[PromptSet], None],
        limits: RegistryLimits,
    ) -> None:
        self._store, self._builds, self._builder, self._encoder = store, builds, builder, encoder
        self._admission = Admission(encoder, check_prompts, limits)
        self._current = CurrentVersions(store)
        self._ready = ReadyVersions(store.contents, builds, builder, encoder, limits.cache_bytes)

    def start(self) -> None:
        """Make every registered dataset ready for this encoder, and resume builds that were cut off. One that cannot be
        made ready is logged and answers with its own error; the others are served."""
        for info in self.infos():
            self._ready.resume(info.building)
            if info.version is not None:
                with suppress(VersionGone):
                    self._ready.prepare(info.name, info.version, self._admission.check_prompts)

    def close(self, timeout_s: float | None = None) -> bool:
        """False if the present piece of a build did not end in time; it is made again after the next start."""
        return self._builder.close(timeout_s)

    def health(self) -> WorkerHealth:
        return self._builder.health()

    def register(
        self, name: str, spec: DatasetSpec, *, replace: bool, pictures: Mapping[str, bytes] = NO_PICTURES
    ) -> tuple[DatasetInfo, bool | None]:
        """Keep `spec` under `name`; committed when this returns. Also returns whether it is new, None if it was there.

        Args:
            pictures: by SHA-256, those of the spec that are not known to be stored already.

        Raises:
            InvalidFields: more classes than allowed, an encoder that is not loaded, a prompt the localizer cannot take,
                a picture that is neither given nor stored.
            DatasetConflict: the name has other content and `replace` is false.
            StorageFull, DatabaseUnavailable, DatabaseCorrupt: nothing was changed.
        """
        check_dataset_name(name)
        self._admission.check(spec)
        version = _row_of(spec)
        key = BuildKey(version.texts_key, self._encoder.revisions[has_pictures(spec)])
        found = self._store.infos(self._encoder.revisions, name)
        if found and self._holds(found[0], version.version, newest_only=replace):
            info, is_new = found[0], None
        else:
            self._store.contents.check_exemplars(spec, pictures)
            refused = bool(found) and not replace  # by the store, which decides; no model time is spent before
            built = None
            if not refused and self._admission.fits_in_a_request(spec) and not self._builds.is_ready(key):
                try:
                    built = self._builder.compute(spec, pictures)
                except VersionGone:
                    detail = "an image given by its SHA-256 was deleted meanwhile; send it"
                    raise InvalidFields(FieldProblem("classes", detail)) from None
            info, is_new = self._store.save(name, version, spec, key, replace=replace, built=built, pictures=pictures)
        if info.building == version.version:
            if info.failure is not None:
                self._builds.forget_failure(key)
            with suppress(Overloaded, NotReady):  # it is kept, and resumed by whoever asks for it, or at the next start
                self._builder.enqueue(key)
        return info, is_new

    def add_version(
        self, name: str, spec: DatasetSpec, *, base_version: str, note: Mapping[str, Any], activate: bool
    ) -> VersionInfo:
        """Keep `spec`, calibrated from `base_version`, as a further version; `activate` lets it answer at once.

        A dataset keeps 20 versions besides the current one; the oldest calibrated ones leave first.

        Raises:
            ValueError: its texts and pictures are not those of the base version.
            InvalidFields, DatasetNotFound.
            DatasetVersionNotFound: the base version is neither current nor kept any longer.
            DatasetConflict: it is to be activated, and the dataset was given other classes meanwhile.
        """
        _check_known_form(name)
        self._admission.check(spec)
        return self._store.kept.add(name, _row_of(spec), spec, base_version=base_version, note=note, activate=activate)

    def versions(self, name: str) -> list[VersionInfo]:
        """The current and the kept versions, newest first. Raises DatasetNotFound."""
        _check_known_form(name)
        return self._store.kept.infos(name)

    def activate(self, name: str, version: str) -> VersionInfo:
        """Let a kept version answer; `version` may be its first 8 or more characters. What answered before is kept.

        Raises:
            DatasetNotFound, DatasetVersionNotFound, DatasetBuilding, DatasetBuildFailed, EncoderUnavailable.
        """
        _check_known_form(name)
        kept = self._store.kept
        return self._store.contents.settled(
            lambda: kept.activate(name, self._ready.get(kept.resolve(name, version)).version)
        )

    def delete(self, name: str) -> None:
        """Raises DatasetNotFound."""
        _check_known_form(name)
        self._store.delete(name)

    def infos(self) -> list[DatasetInfo]:
        return self._store.infos(self._encoder.revisions)

    def info(self, name: str) -> DatasetInfo:
        """Raises DatasetNotFound."""
        _check_known_form(name)
        found = self._store.infos(self._encoder.revisions, name)
        if not found:
            raise _not_found(name)
        if found[0].status == "building":
            self._ready.resume(found[0].building)
        return found[0]

    def content(self, name: str) -> tuple[DatasetInfo, DatasetSpec]:
        """A dataset with its newest content. Raises DatasetNotFound."""

        def read() -> tuple[DatasetInfo, DatasetSpec]:
            info = self.info(name)
            return info, self._store.contents.spec(info.newest)

        return self._store.contents.settled(read)

    def lookup(self, name: str, version: str | None = None) -> Dataset:
        """The version that answers now, whichever replica registered it, or the kept one asked for.

        Raises:
            DatasetNotFound, DatasetVersionNotFound, DatasetBuilding, DatasetBuildFailed, EncoderUnavailable.
        """
        _check_known_form(name)

        def read() -> Dataset:
            wanted = self._answering(name) if version is None else self._store.kept.resolve(name, version)
            return self._ready.get(wanted)

        return self._store.contents.settled(read)

    def recall(self, name: str) -> Dataset | None:
        """What `lookup` gives, if that is known in microseconds; for an event loop."""
        version = self._current.known(name)
        return None if version is None else self._ready.held(version)

    def _answering(self, name: str) -> str:
        row = self._current.read(name)
        if row is None:
            raise _not_found(name)
        self._ready.resume(row.pending_version)
        return row.current_version or row.pending_version or ""

    def _holds(self, info: DatasetInfo, version: str, *, newest_only: bool) -> bool:
        """Whether registering `version` again changes nothing: a POST may also repeat what was calibrated since."""
        calibrated = not newest_only and self._store.kept.stands_behind(info.name, version)
        return calibrated or info.holds(version, newest_only=newest_only)


def _row_of(spec: DatasetSpec) -> VersionRow:
    return VersionRow(version_of(spec), texts_key_of(spec), len(spec.classes))


def _check_known_form(name: str) -> None:
    """A name that cannot have been registered need not be asked for; not every database takes every string."""
    if not DATASET_NAME.fullmatch(name):
        raise _not_found(name)


def _not_found(name: str) -> DatasetNotFound:
    return DatasetNotFound(f"no dataset is named {name!r}; register it by POST /datasets")
