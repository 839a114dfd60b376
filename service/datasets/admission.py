"""What a service as it runs can take: so many classes and pictures, its encoder, its localizer's prompts."""

from collections.abc import Callable

from service.datasets.prototypes import DatasetEncoder, has_pictures, picture_weights, work_of
from service.datasets.records import RegistryLimits
from service.datasets.spec import DatasetSpec
from service.errors import FieldProblem, InvalidFields
from service.models.ports import PromptSet
from service.recognition.exemplars import LEAST_PICTURED, too_few_to_move

MOST_PICTURES = 2000  # of one dataset: each is located and embedded at every change of a model


class Admission:
    def __init__(
        self, encoder: DatasetEncoder, check_prompts: Callable[[PromptSet], None], limits: RegistryLimits
    ) -> None:
        self._encoder, self._limits = encoder, limits
        self.check_prompts = check_prompts

    def check(self, spec: DatasetSpec) -> None:
        """Raises InvalidFields: more classes or pictures than allowed, an encoder that is not loaded, a prompt that the
        localizer cannot take."""
        if len(spec.classes) > self._limits.max_classes:
            detail = f"holds {len(spec.classes)} classes; at most {self._limits.max_classes}"
            raise InvalidFields(FieldProblem("classes", detail))
        if not self._encoder.serves(spec):
            detail = f"the encoder {spec.encoder!r} is not loaded"
            raise InvalidFields(FieldProblem("encoder", detail, (self._encoder.name,)))
        if has_pictures(spec):
            self._check_pictures(spec)
        try:
            self.check_prompts(spec.prompt_set)
        except ValueError as error:
            raise InvalidFields(FieldProblem("localizer_prompts", str(error))) from None

    def fits_in_a_request(self, spec: DatasetSpec) -> bool:
        return sum(work_of(spec, entry) for entry in spec.classes) <= self._limits.background_build_texts

    def _check_pictures(self, spec: DatasetSpec) -> None:
        count = sum(len(entry.pictures) for entry in spec.classes)
        if count > MOST_PICTURES:
            raise InvalidFields(FieldProblem("classes", f"hold {count} images; at most {MOST_PICTURES}"))
        if self._encoder.embed_picture is None:
            place = next(place for place, entry in enumerate(spec.classes) if entry.pictures)
            raise InvalidFields(FieldProblem(f"classes[{place}].images", "this service takes no example pictures"))
        if too_few_to_move(picture_weights(spec), shared_space=self._encoder.shared_space):
            raise InvalidFields(FieldProblem("classes", no_mixing(self._encoder.name)))


def no_mixing(encoder: str) -> str:
    """Why a list cannot be compared."""
    return (
        f"{encoder!r} keeps pictures and texts far apart: for a list of both, give images to at least {LEAST_PICTURED} "
        "classes, or to every class with image_weight 1"
    )
