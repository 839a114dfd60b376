"""The clients and the recognizer in process against a real service with light models."""

import asyncio
import io
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from light_models import COLOURS, FAILS, light_engine, picture_of  # type: ignore[import-not-found]
from PIL import Image
from pydantic import BaseModel
from running import LightService  # type: ignore[import-not-found]

from service.api.calibration import CalibrationIn, CalibrationOut, MethodOut
from service.api.dataset_content import DatasetPut
from service.api.dataset_schemas import ClassOut, DatasetOut, DatasetSummary, DatasetVersion
from service.api.fields import ClassifyFields
from service.api.schemas import ModelOut, ModelsOut, RecognitionOut
from service.client import (
    Answer,
    AsyncClient,
    CalibrationOptions,
    CalibrationReport,
    ClassEntry,
    ClassifyOptions,
    Client,
    ConflictError,
    Dataset,
    DatasetOptions,
    InvalidFieldsError,
    MethodFigures,
    ModelInfo,
    Models,
    NotFoundError,
    Outcome,
    PictureError,
    ProblemError,
    Recognizer,
    TooLateError,
)
from service.client import DatasetSummary as Summary
from service.client import DatasetVersion as Version
from service.settings import load_settings

RED, BLUE = picture_of(COLOURS["red"]), picture_of(COLOURS["blue"])


@pytest.fixture
def client(light: LightService) -> Any:
    with Client(light.url) as found:
        yield found


@pytest.fixture(scope="module")
def here() -> Any:
    with Recognizer(light_engine(load_settings()).recognizer) as recognizer:
        yield recognizer


def test_importing_the_client_loads_neither_models_nor_the_service() -> None:
    words = (
        "import sys\nfrom service.client import Client, AsyncClient, Recognizer\n"
        "heavy = 'torch fastapi starlette openvino transformers sqlalchemy numpy PIL'.split()\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_picture_may_be_given_in_any_form(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(RED)
    with path.open("rb") as file:
        for picture in (RED, bytearray(RED), str(path), path, file, io.BytesIO(RED), Image.open(path)):
            answer = client.classify(picture, dataset="colours", top_k=2)
            assert (answer.label, answer.dataset, len(answer.scores)) == ("red", "colours", 2)
    with pytest.raises(FileNotFoundError):
        client.classify(tmp_path / "none.png", dataset="colours")
    with path.open(encoding="latin-1") as text, pytest.raises(TypeError, match="rb"):
        client.classify(text, dataset="colours")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not int"):
        client.classify(3, dataset="colours")  # type: ignore[arg-type]


def test_an_image_of_pillow_is_sent_upright_whatever_its_mode(client: Client) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("CMYK", (8, 4), (0, 230, 230, 40)).save(buffer, "JPEG", exif=exif)
    answer = client.classify(Image.open(buffer), dataset="colours")
    assert (answer.image.width, answer.image.height, answer.label) == (4, 8, "red")


def test_every_option_arrives(client: Client) -> None:
    answer = client.classify(
        BLUE,
        dataset="colours",
        branches=("full",),
        fusion="average",
        embeddings=True,
        abstain_below=1,
        abstain_by="presence",
        metadata={"month": 7, "wet": True},
    )
    assert (answer.fusion, answer.label, answer.abstained, answer.branches["fg"]) == ("average", None, True, None)
    assert answer.metadata is not None
    assert set(answer.metadata.ignored) == {"month", "wet"}
    numbers = answer.embedding("full")
    assert len(numbers) == 3
    assert sum(number * number for number in numbers) == pytest.approx(1)


def test_refusals_come_as_exceptions_of_their_kind(client: Client) -> None:
    with pytest.raises(NotFoundError, match="404: no dataset is named 'none'"):
        client.classify(RED, dataset="none")
    with pytest.raises(InvalidFieldsError) as refused:
        client.classify(RED, dataset="colours", fusion="best")
    assert (refused.value.code, refused.value.errors[0].field) == ("invalid_fields", "fusion")
    assert "average" in (refused.value.errors[0].allowed or ())
    with pytest.raises(PictureError) as unreadable:
        client.classify(b"no picture", dataset="colours")
    assert unreadable.value.request_id
    again = pickle.loads(pickle.dumps(unreadable.value))
    assert (type(again), vars(again)) == (PictureError, vars(unreadable.value))
    with pytest.raises(ProblemError, match="500"):
        client.classify(picture_of(FAILS), dataset="colours")


def test_datasets_from_registration_to_deletion(client: Client) -> None:
    made = client.datasets.register("life", ["red", {"name": "blue", "prompts": ["blue"]}], templates=["a {}"])
    assert (made.status, made.labels, made.templates) == ("ready", ("red", "blue"), ("a {}",))
    assert client.datasets.register("life", made.classes_document(), templates=["a {}"]).version == made.version
    with pytest.raises(ConflictError, match="409"):
        client.datasets.register("life", ["red"])
    other = client.datasets.replace("life", ["red", "green"])
    assert other.version != made.version
    assert {"life", "colours"} <= {row.name for row in client.datasets.list()}
    assert [row.version for row in client.datasets.versions("life")] == [other.version]
    assert client.classify(BLUE, dataset="life", dataset_version=other.version).label != "blue"
    assert client.models().usual_branches
    client.datasets.delete("life")
    with pytest.raises(NotFoundError):
        client.datasets.get("life")


def test_a_long_list_is_waited_for_with_progress(client: Client) -> None:
    seen: list[float] = []
    names = [f"red {number}" for number in range(1000)]
    with pytest.raises(TooLateError, match="built after 0 s"):
        client.datasets.replace("long", names, wait=True, wait_s=0)
    built = client.datasets.replace("long", names, wait=True, progress=seen.append)
    assert (built.status, built.building, built.class_count, seen[-1]) == ("ready", None, 1000, 1.0)
    assert seen == sorted(seen)
    assert client.datasets.built(built) == built
    client.datasets.delete("long")


def test_a_calibration_is_reported(client: Client) -> None:
    client.datasets.register("fitted", list(COLOURS))
    pairs = [(name, picture_of(colour, salt)) for salt in range(12) for name, colour in COLOURS.items()]
    report = client.datasets.calibrate("fitted", pairs, fusion="average", learn=False, branches=["full", "fg"])
    assert (report.fusion, report.current, report.fit_count + report.validation_count) == ("average", False, 36)
    calibrated, registered = client.datasets.versions("fitted")
    assert (calibrated.version, calibrated.origin, registered.current) == (report.version, "calibrated", True)
    assert client.datasets.use("fitted", report.version[:8]).current
    with pytest.raises(NotFoundError, match="not one of the versions"):
        client.datasets.use("fitted", "0" * 8)
    client.datasets.delete("fitted")


@pytest.mark.parametrize("ordered", [True, False])
def test_many_pictures_have_an_answer_or_an_error_each(client: Client, ordered: bool, tmp_path: Path) -> None:
    done: list[int] = []
    given: list[Any] = [picture_of(COLOURS["green"], salt) for salt in range(20)]
    given[3], given[7] = b"no picture", tmp_path / "none.png"
    outcomes = list(
        client.classify_many(given, dataset="colours", concurrency=3, ordered=ordered, progress=done.append)
    )
    check(outcomes, given, ordered)
    assert done == list(range(1, 21))
    assert list(client.classify_many([], dataset="colours")) == []
    with pytest.raises(ValueError, match="concurrency"):
        client.classify_many(given, dataset="colours", concurrency=0)


def check(outcomes: list[Outcome[Any]], given: list[Any], ordered: bool) -> None:
    places = [outcome.index for outcome in outcomes]
    assert places == list(range(20)) if ordered else sorted(places) == list(range(20))
    for outcome in outcomes:
        assert outcome.asked is given[outcome.index]
        if outcome.index == 3:
            assert isinstance(outcome.error, PictureError)
        elif outcome.index == 7:
            assert isinstance(outcome.error, FileNotFoundError)
        else:
            assert outcome.unwrap().label == "green"
    with pytest.raises(PictureError):
        next(outcome for outcome in outcomes if outcome.index == 3).unwrap()


@pytest.mark.parametrize("ordered", [True, False])
def test_the_client_that_is_awaited_does_the_same(light: LightService, ordered: bool, tmp_path: Path) -> None:
    given: list[Any] = [picture_of(COLOURS["green"], salt) for salt in range(20)]
    given[3], given[7] = b"no picture", tmp_path / "none.png"

    async def work() -> list[Outcome[Any]]:
        async with AsyncClient(light.url) as client:
            made = await client.datasets.register("awaited", ["red", "green"], wait=True)
            again = await client.datasets.replace("awaited", list(COLOURS), wait=True)
            assert {"awaited"} <= {row.name for row in await client.datasets.list()}
            assert [row.version for row in await client.datasets.versions("awaited")] == [again.version]
            assert (await client.datasets.use("awaited", (again.version or "")[:9])).version == again.version
            assert (await client.datasets.get("awaited")).version == again.version != made.version
            with pytest.raises(InvalidFieldsError, match="needs 20 pictures"):
                await client.datasets.calibrate("awaited", [("red", RED)])
            assert (await client.models()).profile
            outcomes = client.classify_many(given, dataset="awaited", concurrency=3, ordered=ordered)
            found = [outcome async for outcome in outcomes]
            await client.datasets.delete("awaited")
            with pytest.raises(NotFoundError):
                await client.classify(RED, dataset="awaited")
            return found

    check(asyncio.run(work()), given, ordered)


def test_in_this_process_answers_are_those_of_a_service(client: Client, here: Recognizer) -> None:
    for picture in (RED, BLUE):
        sent = client.classify(picture, dataset="colours").model_dump()
        own = here.classify(picture, classes=list(COLOURS)).model_dump()
        for name in ("request_id", "timings_ms", "dataset", "cached"):
            del sent[name], own[name]
        assert rounded(own) == rounded(sent)


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [rounded(part) for part in value]
    return round(value, 6) if isinstance(value, float) else value


def test_in_this_process_refusals_are_those_of_a_service(here: Recognizer, tmp_path: Path) -> None:
    names = ["red", "blue"]
    with pytest.raises(PictureError, match="415"):
        here.classify(b"no picture", classes=names)
    with pytest.raises(InvalidFieldsError, match="fusion"):
        here.classify(RED, classes=names, fusion="best")
    with pytest.raises(InvalidFieldsError, match="give classes"):
        here.classify(RED, dataset="colours")
    for wrong in ([], ["red", "red"], [{"name": "red", "images": ["YQ=="]}]):
        with pytest.raises(InvalidFieldsError, match="classes"):
            here.classify(RED, classes=wrong)
    outcomes = list(here.classify_many([RED, tmp_path / "none.png", BLUE], classes=names, templates=["a {}"]))
    assert [type(outcome.error) for outcome in outcomes] == [type(None), FileNotFoundError, type(None)]
    assert outcomes[2].unwrap().label == "blue"


def test_a_list_is_embedded_once_and_forgotten_late(here: Recognizer) -> None:
    from service.client.recognizing import KEPT_LISTS, asked

    spec, _ = asked({"classes": ["red", "green"]})
    first = here.dataset(spec)
    assert here.dataset(spec) is first
    for number in range(KEPT_LISTS):
        here.classify(RED, classes=["red", str(number)])
    assert here.dataset(spec) is not first


SAME = [
    (RecognitionOut, Answer),
    (ModelsOut, Models),
    (ModelOut, ModelInfo),
    (DatasetOut, Dataset),
    (DatasetSummary, Summary),
    (DatasetVersion, Version),
    (ClassOut, ClassEntry),
    (CalibrationOut, CalibrationReport),
    (MethodOut, MethodFigures),
]


@pytest.mark.parametrize(("sent", "read"), SAME, ids=lambda kind: kind.__name__)
def test_everything_that_is_sent_has_its_place(sent: type[BaseModel], read: type[BaseModel]) -> None:
    assert set(sent.model_fields) == set(read.model_fields)
    for name, field in sent.model_fields.items():
        for kind, own in zip(models_in(field.annotation), models_in(read.model_fields[name].annotation), strict=False):
            assert set(kind.model_fields) == set(own.model_fields), name


def models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [
            annotation,
            *(kind for field in annotation.model_fields.values() for kind in models_in(field.annotation)),
        ]
    return [kind for part in get_args(annotation) for kind in models_in(part)]


def test_every_field_of_a_request_can_be_given() -> None:
    assert set(ClassifyFields.model_fields) <= set(ClassifyOptions.__annotations__)
    assert set(DatasetPut.model_fields) == set(DatasetOptions.__annotations__) | {"name", "classes"}
    assert set(CalibrationIn.model_fields) == set(CalibrationOptions.__annotations__) | {"items"}


def test_what_is_got_may_be_sent_again(client: Client, light: LightService) -> None:
    document = httpx.get(f"{light.url}/datasets/colours").json()
    assert client.datasets.get("colours").model_dump(mode="json", exclude_unset=True) == document
