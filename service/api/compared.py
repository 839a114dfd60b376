"""What a request's pictures are compared with: a registered dataset, or classes of its own."""

import asyncio
from dataclasses import dataclass

from pydantic import ValidationError

from service.api.dataset_content import DatasetContent
from service.api.exemplars import Exemplars
from service.api.fields import ClassifyFields
from service.api.problems import invalid_fields, too_many_found
from service.api.state import Parts
from service.datasets.adhoc import AdhocDatasets
from service.datasets.adhoc_list import AdhocList
from service.datasets.records import Dataset
from service.errors import FieldProblem, InvalidFields
from service.stages.admission import Deadline


@dataclass(frozen=True)
class Compared:
    """`name`: None of classes that came with the request."""

    name: str | None
    dataset: Dataset


async def compared_with(parts: Parts, fields: ClassifyFields, deadline: Deadline) -> Compared:
    """Raises InvalidFields, DatasetNotFound, DatasetVersionNotFound, DatasetBuilding, DatasetBuildFailed,
    EncoderUnavailable; of classes of its own InvalidFields, Overloaded, DeadlineExceeded, ModelFailed."""
    if fields.dataset is not None:
        dataset = parts.registry.recall(fields.dataset) if fields.dataset_version is None else None
        if dataset is None:
            dataset = await asyncio.to_thread(parts.registry.lookup, fields.dataset, fields.dataset_version)
        return Compared(fields.dataset, dataset)
    asked = await asyncio.to_thread(listed, fields, parts.adhoc)
    return Compared(None, await parts.adhoc.dataset(asked, deadline.left_s))


def listed(fields: ClassifyFields, adhoc: AdhocDatasets) -> AdhocList:
    """The request's own classes, judged as those of a dataset. Raises InvalidFields, naming every bad item."""
    classes = fields.classes or []
    adhoc.check_count(len(classes))
    templates = {} if fields.templates is None else {"templates": fields.templates}
    try:
        content = DatasetContent.model_validate({"classes": classes, **templates})
    except ValidationError as error:
        raise too_many_found(error) or invalid_fields(error.errors()) from None
    pictured = next((place for place, sent in enumerate(content.images) if sent), None)
    if pictured is not None:
        detail = "example pictures are kept with a registered dataset (POST /datasets)"
        raise InvalidFields(FieldProblem(f"classes[{pictured}].images", detail))
    return adhoc.listed(content.spec(Exemplars(tuple(() for _ in classes), {})))
