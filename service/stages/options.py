"""What a request may ask for, and what comes of it once the dataset's and the service's defaults are filled in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from service.datasets.checks import branch_problems, fusion_problems
from service.datasets.records import Dataset
from service.errors import FieldProblem, InvalidFields
from service.images import DEFAULT_LIMITS, ImageLimits
from service.models.batch_size import BatchSizes
from service.models.ports import PromptSet
from service.recognition.abstention import ABSTAIN_BY
from service.recognition.candidates import CANDIDATE_FUSIONS
from service.recognition.colours import NAMED_COLOURS, colour_of, is_colour
from service.recognition.views import DEFAULT_BRANCHES, FULL, VIEWS, Rgb, Style

Value = TypeVar("Value")
MOST_OBJECTS = 50
MOST_CANDIDATES = 20
MOST_FORMING = 32  # decoded pictures for one batch: a large one has hundreds of megabytes
CHOICES: Mapping[str, tuple[str, ...]] = {
    "cascade_first": DEFAULT_BRANCHES,
    "abstain_by": ABSTAIN_BY,
    "candidate_fusion": CANDIDATE_FUSIONS,
}


@dataclass(frozen=True)
class Limits:
    """Bounds and defaults of one recognizer; times in seconds, `box_margin` as a part of the box's size. memory_bytes:
    for what is known of pictures seen before, 0 for none. overlap: models compute beside each other, and the full view
    is looked at while the box is looked for; else they take turns."""

    image: ImageLimits = DEFAULT_LIMITS
    branches: tuple[str, ...] = DEFAULT_BRANCHES
    box_threshold: float | None = None
    box_margin: float = 0.0
    object_overlap: float = 0.5
    locate_timeout_s: float = 30.0
    request_timeout_s: float = 60.0
    max_batch: BatchSizes = field(default_factory=BatchSizes)
    max_waiting: int = 256
    threads: int = 2
    overlap: bool = False
    memory_bytes: int = 0

    @property
    def pictures_at_once(self) -> int:
        """So many keep the models busy: a batch that runs, one that forms, and those being decoded and resized."""
        views = max(1, len(self.branches))
        most = max(self.max_batch.localizer, -(-self.max_batch.encoder // views))
        return 2 * min(most, MOST_FORMING) + 2 * self.threads


@dataclass(frozen=True)
class Options:
    """What one request asks for; None leaves it to the dataset.

    objects: label so many located objects each by itself. candidates: look for so many of the full picture's best
    labels, and answer with one of them (L2R2, C.1). embeddings: give the views' embeddings too.
    """

    top_k: int = 5
    fusion: str | None = None
    branches: tuple[str, ...] | None = None
    localizer_prompt: str | None = None
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    box_threshold: float | None = None
    box_margin: float | None = None
    pad_colour: str | None = None
    wide_margin: float | None = None
    blur: float | None = None
    cascade: float | None = None
    cascade_first: str | None = None
    abstain_below: float | None = None
    abstain_by: str | None = None
    objects: int = 0
    candidates: int = 0
    candidate_fusion: str = CANDIDATE_FUSIONS[0]
    embeddings: bool = False


@dataclass(frozen=True)
class Plan:
    """A request with every default filled in and every name known."""

    options: Options
    fusion: str
    branches: tuple[str, ...]
    prompts: PromptSet
    prompt_field: str
    box_threshold: float
    style: Style
    cascade: float | None
    cascade_first: str
    abstain_below: float | None
    abstain_by: str

    @property
    def first_view(self) -> str | None:
        """What a cascade asks first; None without one. Presence cannot be judged before a box is looked for."""
        unjudged = self.abstain_below is not None and self.abstain_by == "presence" and self.cascade_first == FULL
        return None if self.cascade is None or self.options.objects or unjudged else self.cascade_first

    @property
    def box_branches(self) -> tuple[str, ...]:
        return tuple(name for name in self.branches if VIEWS[name].needs_box)


@dataclass(frozen=True)
class Abilities:
    """What the loaded models can do."""

    pad_colour: Rgb
    default_threshold: float
    makes_masks: bool


def plan_for(options: Options, dataset: Dataset, limits: Limits, abilities: Abilities) -> Plan:
    """Raises InvalidFields for names that are not known, and for wishes that cannot be met together."""
    spec = dataset.spec
    calibrated = spec.calibration.branches or None  # a fitted fusion can answer from these alone
    branches = _first(options.branches, spec.branches, calibrated, usual_branches(limits.branches, abilities))
    fusion, cascade_first = _first(options.fusion, spec.fusion), _first(options.cascade_first, spec.cascade_first)
    problems = [*branch_problems("branches", branches), *_option_problems(options, branches, abilities)]
    problems += [*fusion_problems(fusion, branches, spec), *_clashes(options, branches, cascade_first)]
    if problems:
        raise InvalidFields(*problems)
    return Plan(
        options=options,
        fusion=fusion,
        branches=tuple(name for name in VIEWS if name in branches),
        prompts=PromptSet((options.localizer_prompt,)) if options.localizer_prompt is not None else spec.prompt_set,
        prompt_field="localizer_prompts" if options.localizer_prompt is None else "localizer_prompt",
        box_threshold=_first(
            options.box_threshold, spec.box_threshold, limits.box_threshold, abilities.default_threshold
        ),
        style=Style(
            pad=colour_of(_first(options.pad_colour, spec.pad_colour), abilities.pad_colour),
            margin=_first(options.box_margin, spec.box_margin, limits.box_margin),
            wide_margin=_first(options.wide_margin, spec.wide_margin, Style.wide_margin),
            blur=_first(options.blur, spec.blur, Style.blur),
        ),
        # A dataset's cascade adds no view to a request that left that view out.
        cascade=(spec.cascade if options.cascade is None else options.cascade) if cascade_first in branches else None,
        cascade_first=cascade_first,
        abstain_below=spec.abstain_below if options.abstain_below is None else options.abstain_below,
        abstain_by=_first(options.abstain_by, spec.abstain_by),
    )


def _first(*values: Value | None) -> Value:
    return next(value for value in values if value is not None)


def usual_branches(branches: tuple[str, ...], abilities: Abilities) -> tuple[str, ...]:
    """The profile's, less those that need masks where nothing makes them."""
    return tuple(name for name in branches if abilities.makes_masks or not VIEWS[name].needs_mask)


def _option_problems(options: Options, branches: tuple[str, ...], abilities: Abilities) -> Iterator[FieldProblem]:
    known = [name for name in branches if name in VIEWS]
    if not abilities.makes_masks and any(VIEWS[name].needs_mask for name in known):
        usable = tuple(name for name, view in VIEWS.items() if not view.needs_mask)
        yield FieldProblem("branches", "a view with a mask needs a segmenter; none is loaded (L2R2_SEGMENTER)", usable)
    if options.pad_colour is not None and not is_colour(options.pad_colour):
        yield FieldProblem("pad_colour", f"{options.pad_colour!r} is no colour", (*NAMED_COLOURS, "#rrggbb"))
    for name, allowed in CHOICES.items():
        value = getattr(options, name)
        if value is not None and value not in allowed:
            yield FieldProblem(name, f"{value!r} is not known", allowed)
    for name, most in (("objects", MOST_OBJECTS), ("candidates", MOST_CANDIDATES)):
        if not 0 <= getattr(options, name) <= most:
            yield FieldProblem(name, f"must lie in 0 to {most}, not {getattr(options, name)}")
        elif getattr(options, name) and not any(VIEWS[branch].needs_box for branch in known):
            yield FieldProblem(name, "needs a branch that is made with the box, such as fg")


def _clashes(options: Options, branches: tuple[str, ...], cascade_first: str) -> Iterator[FieldProblem]:
    if options.objects and options.candidates:
        yield FieldProblem("candidates", "cannot be combined with objects")
    if options.candidates and FULL not in branches:
        yield FieldProblem("candidates", "needs the branch full, whose best labels are looked for")
    if options.cascade is not None and (options.objects or options.candidates):
        yield FieldProblem("cascade", "cannot be combined with objects or candidates")
    asked = options.cascade is not None or options.cascade_first is not None
    if asked and cascade_first in DEFAULT_BRANCHES and cascade_first not in branches:
        usable = tuple(name for name in DEFAULT_BRANCHES if name in branches)
        yield FieldProblem("cascade_first", f"{cascade_first!r} is none of the branches asked for", usable or None)
