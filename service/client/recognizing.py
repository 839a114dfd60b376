"""`Recognizer`: the models in this process, giving the answers that a service would give, without one.

What is heavy is imported when a recognizer is loaded.
"""

import asyncio
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from service.client.options import ClassifyOptions, given
from service.client.pictures import Picture, bytes_of
from service.client.problems import problem_of
from service.client.results import Answer, Outcome
from service.client.several import Progress, by_threads
from service.errors import FieldProblem, InvalidFields, ServiceError

if TYPE_CHECKING:
    from service.datasets.records import Dataset
    from service.datasets.spec import DatasetSpec
    from service.models.weights import Progress as Downloading
    from service.recognizer import Recognizer as Core
    from service.stages.options import Options

Asked = TypeVar("Asked", bound=Picture)
MOST_TOP_K = 100_000
KEPT_LISTS = 16


class Recognizer:
    """Threads may share it. `with Recognizer.load() as recognizer:` frees the models at the end, as `close` does. The
    prototypes of the last 16 class lists are kept. `core`: what answers, for those who need more than answers."""

    def __init__(self, core: "Core") -> None:
        self.core = core
        self._kept: OrderedDict[str, Dataset] = OrderedDict()
        self._embedding = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="recognizing", daemon=True)
        self._thread.start()

    @classmethod
    def load(cls, profile: str | None = None, *, progress: "Downloading | None" = None) -> "Recognizer":
        """The profile's models (by default that of the settings, which are the service's own, `L2R2_…`).

        progress: is told of downloads. Raises SettingsError, WeightsError.
        """
        from service.engine import load_engine
        from service.settings import load_settings

        return cls(load_engine(load_settings(profile=profile), progress).recognizer)

    def __enter__(self) -> "Recognizer":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """What is under way is given up."""
        asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.core.close()

    def classify(self, picture: Picture, **options: Unpack[ClassifyOptions]) -> Answer:
        """As `Client.classify`, against `classes`. Raises ProblemError as a service would give it, and OSError."""
        spec, wishes = asked(options)
        return self.answer(picture, spec, wishes)

    def classify_many(
        self,
        pictures: Iterable[Asked],
        *,
        concurrency: int = 8,
        ordered: bool = True,
        progress: Progress | None = None,
        **options: Unpack[ClassifyOptions],
    ) -> Iterator[Outcome[Asked]]:
        """As `Client.classify_many`."""
        spec, wishes = asked(options)
        return self.answers(pictures, spec, wishes, concurrency, ordered, progress)

    def answer(self, picture: Picture, spec: "DatasetSpec", wishes: "Options") -> Answer:
        """As `classify`, for what was read before."""
        try:
            dataset = self.dataset(spec)
            work = self.core.recognize(bytes_of(picture), dataset, wishes)
            found = asyncio.run_coroutine_threadsafe(work, self._loop).result()
            return Answer.model_validate(self._document(found, dataset))
        except ServiceError as error:
            raise problem_of(error) from None

    def answers(
        self,
        pictures: Iterable[Asked],
        spec: "DatasetSpec",
        wishes: "Options",
        concurrency: int = 8,
        ordered: bool = True,
        progress: Progress | None = None,
    ) -> Iterator[Outcome[Asked]]:
        """As `classify_many`, for what was read before."""
        return by_threads(
            lambda picture, _: self.answer(picture, spec, wishes), pictures, concurrency, ordered, progress
        )

    def dataset(self, spec: "DatasetSpec") -> "Dataset":
        """With its prototypes. Raises InvalidFields for a prompt that the localizer cannot take."""
        from service.datasets.fingerprints import version_of
        from service.datasets.prototypes import unsaved_dataset

        version = version_of(spec)
        with self._embedding:
            if version not in self._kept:
                try:
                    self.core.localizer.check_prompts(spec.prompt_set)
                except ValueError as error:
                    raise InvalidFields(FieldProblem("localizer_prompts", str(error))) from None
                self._kept[version] = unsaved_dataset(spec, self.core.encoder.embed_texts)
                if len(self._kept) > KEPT_LISTS:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(version)
            return self._kept[version]

    def _document(self, found: Any, dataset: "Dataset") -> dict[str, Any]:
        from service.api.wire import recognition_out

        models = (self.core.localizer, self.core.encoder)
        return recognition_out(found, None, dataset.version, models, uuid.uuid4().hex)


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def asked(options: ClassifyOptions) -> "tuple[DatasetSpec, Options]":
    """Raises ProblemError, as a service would give it."""
    fields = given(options, ClassifyOptions.__annotations__)
    if fields.get("dataset") or fields.get("dataset_version"):
        detail = "is kept by a service; in this process give classes"
        raise problem_of(InvalidFields(FieldProblem("dataset", detail)))
    content: dict[str, Any] = {name: fields.pop(name) for name in ("classes", "templates") if name in fields}
    try:
        return spec_of(content), options_of(fields)
    except ServiceError as error:
        raise problem_of(error) from None


def options_of(fields: Mapping[str, Any]) -> "Options":
    """From fields of POST /classify besides the picture and the classes, as it takes them. Raises InvalidFields."""
    from pydantic import ValidationError

    from service.api.fields import ClassifyFields
    from service.api.problems import invalid_fields

    try:
        return ClassifyFields.model_validate({"dataset": "unsaved", **fields}).options(max_top_k=MOST_TOP_K)
    except ValidationError as error:
        raise invalid_fields(error.errors()) from None


def spec_of(document: Mapping[str, Any]) -> "DatasetSpec":
    """A class list from a document as POST /datasets takes it. Raises InvalidFields, also for example pictures."""
    from pydantic import ValidationError

    from service.api.dataset_content import DatasetPut
    from service.api.exemplars import Exemplars
    from service.api.problems import invalid_fields
    from service.images import decode

    try:
        content = DatasetPut.model_validate(document)
    except ValidationError as error:
        raise invalid_fields(error.errors()) from None
    if any(content.images):
        raise InvalidFields(FieldProblem("classes", "example pictures need a registered dataset"))
    return content.spec(Exemplars.read(content.images, decode))
