"""A request's plan: whose word counts for each option, and what cannot be asked for."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from fakes import dataset_of

from service.errors import FieldProblem, InvalidFields
from service.models.ports import PromptSet
from service.recognition.abstention import ABSTAIN_BY
from service.recognition.calibration import Calibration
from service.recognition.candidates import CANDIDATE_FUSIONS
from service.recognition.fusion import FUSIONS
from service.recognition.views import DEFAULT_BRANCHES, VIEWS
from service.stages.options import (
    MOST_CANDIDATES,
    MOST_OBJECTS,
    Abilities,
    Limits,
    Options,
    Plan,
    plan_for,
    usual_branches,
)

Fields = Mapping[str, Any]
MEAN = (10, 20, 30)
UNIT_WEIGHTS = {"full": (1.0, 1.0, 1.0), "fg_mask": (1.0, 1.0, 1.0)}
WITHOUT_MASK = tuple(name for name, view in VIEWS.items() if not view.needs_mask)


def plan_of(request: Fields, dataset: Fields = {}, service: Fields = {}, *, masks: bool = True) -> Plan:  # noqa: B006
    abilities = Abilities(MEAN, default_threshold=0.3, makes_masks=masks)
    return plan_for(Options(**request), dataset_of(**dataset), Limits(**service), abilities)


def problems_of(request: Fields, dataset: Fields = {}, *, masks: bool = True) -> list[FieldProblem]:  # noqa: B006
    with pytest.raises(InvalidFields) as caught:
        plan_of(request, dataset, masks=masks)
    return list(caught.value.problems)


PRECEDENCE: list[tuple[str, Callable[[Plan], Any], list[Any]]] = [
    # of the request, the dataset, the service and the models (or nobody); None where that one has no say
    ("box_threshold", lambda plan: plan.box_threshold, [0.0, 0.7, 0.5, 0.3]),
    ("box_margin", lambda plan: plan.style.margin, [0.0, 0.3, 0.2, 0.0]),
    ("wide_margin", lambda plan: plan.style.wide_margin, [0.0, 0.3, None, 0.25]),
    ("blur", lambda plan: plan.style.blur, [0.0, 0.3, None, 0.05]),
    ("fusion", lambda plan: plan.fusion, ["average", "robust", None, "max_confidence"]),
    ("branches", lambda plan: plan.branches, [("fg_mask",), ("fg",), ("full", "bg_box"), DEFAULT_BRANCHES]),
    ("cascade", lambda plan: plan.cascade, [0.0, 0.8, None, None]),
    ("cascade_first", lambda plan: plan.cascade_first, ["full", "fg", None, "full"]),
    ("abstain_below", lambda plan: plan.abstain_below, [0.0, 0.3, None, None]),
    ("abstain_by", lambda plan: plan.abstain_by, ["confidence", "presence", None, "confidence"]),
]


@pytest.mark.parametrize(("name", "read", "values"), PRECEDENCE, ids=[row[0] for row in PRECEDENCE])
def test_the_request_comes_before_the_dataset_the_service_and_the_models(
    name: str, read: Callable[[Plan], Any], values: list[Any]
) -> None:
    asked, registered, configured, last = values
    fields = [{name: asked}, {name: registered}, {} if configured is None else {name: configured}]
    assert read(plan_of(*fields)) == asked
    assert read(plan_of({}, *fields[1:])) == registered
    assert read(plan_of({}, {}, fields[2])) == (last if configured is None else configured)
    assert read(plan_of({})) == last


@pytest.mark.parametrize(
    ("request_says", "dataset_says", "colour"),
    [
        ("white", "black", (255, 255, 255)),
        ("mean", "black", MEAN),
        (None, "#0102ff", (1, 2, 255)),
        (None, "mean", MEAN),
        (None, None, MEAN),
    ],
)
def test_the_padding_is_the_requests_the_datasets_or_the_encoders_mean(
    request_says: str | None, dataset_says: str | None, colour: tuple[int, ...]
) -> None:
    dataset = {} if dataset_says is None else {"pad_colour": dataset_says}
    assert plan_of({"pad_colour": request_says}, dataset).style.pad == colour


def test_prompts_are_the_requests_or_the_datasets_with_their_mode() -> None:
    dataset = {"localizer_prompts": ("animal", "bird"), "localizer_prompt_mode": "averaged"}
    plan = plan_of({}, dataset)
    assert (plan.prompts, plan.prompt_field) == (PromptSet(("animal", "bird"), "averaged"), "localizer_prompts")
    plan = plan_of({"localizer_prompt": "insect"}, dataset)
    assert (plan.prompts, plan.prompt_field) == (PromptSet(("insect",)), "localizer_prompt")
    assert plan_of({}).prompts == PromptSet()


def test_branches_come_in_one_order_with_the_full_picture_first() -> None:
    plan = plan_of({"branches": ("bg_shape", "fg", "center_crop", "full")})
    assert plan.branches == ("full", "fg", "bg_shape", "center_crop")
    assert plan.box_branches == ("fg", "bg_shape")


def test_the_services_branches_lose_those_with_masks_where_nothing_makes_masks() -> None:
    service = {"branches": ("full", "fg", "fg_mask")}
    assert plan_of({}, {}, service).branches == ("full", "fg", "fg_mask")
    assert plan_of({}, {}, service, masks=False).branches == ("full", "fg")
    assert usual_branches(("full", "bg_shape"), Abilities(MEAN, 0.3, makes_masks=False)) == ("full",)


@pytest.mark.parametrize("branches", [("fg_mask",), ("full", "bg_shape"), ("full_blur", "fg")])
def test_a_mask_is_refused_where_nothing_makes_masks(branches: tuple[str, ...]) -> None:
    for problems in (
        problems_of({"branches": branches}, masks=False),
        problems_of({}, {"branches": branches}, masks=False),
    ):
        assert [(problem.field, problem.allowed) for problem in problems] == [("branches", WITHOUT_MASK)]
        assert "L2R2_SEGMENTER" in problems[0].detail


UNKNOWN: list[tuple[Fields, str, tuple[str, ...]]] = [
    ({"fusion": "best"}, "fusion", tuple(FUSIONS)),
    ({"fusion": ""}, "fusion", tuple(FUSIONS)),
    ({"branches": ("full", "foreground")}, "branches[1]", tuple(VIEWS)),
    ({"branches": ()}, "branches", tuple(VIEWS)),
    ({"pad_colour": "grey"}, "pad_colour", ("mean", "black", "white", "#rrggbb")),
    ({"pad_colour": ""}, "pad_colour", ("mean", "black", "white", "#rrggbb")),
    ({"cascade_first": "bg_box"}, "cascade_first", DEFAULT_BRANCHES),
    ({"abstain_by": "mood"}, "abstain_by", ABSTAIN_BY),
    ({"candidate_fusion": "min"}, "candidate_fusion", CANDIDATE_FUSIONS),
]


@pytest.mark.parametrize(("request_says", "field", "known"), UNKNOWN, ids=[str(row[0]) for row in UNKNOWN])
def test_an_unknown_name_is_refused_with_the_known_ones(
    request_says: Fields, field: str, known: tuple[str, ...]
) -> None:
    assert [(problem.field, problem.allowed) for problem in problems_of(request_says)] == [(field, known)]


CLASHES: list[tuple[Fields, str, str]] = [
    ({"branches": ("fg", "fg")}, "branches[1]", "given twice"),
    ({"objects": 2, "candidates": 2}, "candidates", "objects"),
    ({"objects": 1, "branches": ("full",)}, "objects", "such as fg"),
    ({"candidates": 1, "branches": ("full", "center_crop")}, "candidates", "such as fg"),
    ({"candidates": 1, "branches": ("fg",)}, "candidates", "full"),
    ({"objects": -1}, "objects", f"0 to {MOST_OBJECTS}"),
    ({"objects": MOST_OBJECTS + 1}, "objects", f"0 to {MOST_OBJECTS}"),
    ({"candidates": -1}, "candidates", f"0 to {MOST_CANDIDATES}"),
    ({"candidates": MOST_CANDIDATES + 1}, "candidates", f"0 to {MOST_CANDIDATES}"),
    ({"cascade": 0.5, "objects": 1}, "cascade", "objects or candidates"),
    ({"cascade": 0.5, "candidates": 1}, "cascade", "objects or candidates"),
    ({"cascade": 0.5, "branches": ("fg",)}, "cascade_first", "'full' is none of the branches"),
    ({"cascade_first": "fg", "branches": ("full", "bg_box")}, "cascade_first", "'fg' is none of the branches"),
]


@pytest.mark.parametrize(("request_says", "field", "words"), CLASHES, ids=[str(row[0]) for row in CLASHES])
def test_wishes_that_clash_are_refused(request_says: Fields, field: str, words: str) -> None:
    problems = problems_of(request_says)
    assert [problem.field for problem in problems] == [field]
    assert words in problems[0].detail


@pytest.mark.parametrize(("branches", "usable"), [(("full", "bg_box"), ("full",)), (("bg_box",), None)])
def test_a_cascade_names_the_branches_that_it_could_start_with(
    branches: tuple[str, ...], usable: tuple[str, ...] | None
) -> None:
    [problem] = problems_of({"cascade": 0.5, "cascade_first": "fg", "branches": branches})
    assert problem.allowed == usable


def test_every_problem_of_a_request_is_named_at_once() -> None:
    problems = problems_of({"fusion": "best", "branches": ("whole",), "pad_colour": "grey", "objects": 99})
    assert {problem.field for problem in problems} == {"fusion", "branches[0]", "pad_colour", "objects"}


@pytest.mark.parametrize("request_says", [{"objects": 2}, {"candidates": 2}, {"branches": ("fg",)}])
def test_a_datasets_cascade_does_not_stand_in_a_requests_way(request_says: Fields) -> None:
    plan = plan_of(request_says, {"cascade": 0.5})
    assert plan.cascade == (0.5 if "full" in plan.branches else None)


def test_a_fusion_that_was_not_fitted_is_refused_with_those_that_can_be_used() -> None:
    [problem] = problems_of({"fusion": "concat_fc"})
    assert problem.field == "fusion"
    assert "not calibrated" in problem.detail
    assert problem.allowed is not None
    assert set(problem.allowed) == set(FUSIONS) - {"concat_fc", "class_weighted_logits"}
    assert plan_of({"fusion": "concat_fc", "branches": ("full",)}).fusion == "concat_fc"


def test_a_fitted_fusion_answers_from_the_branches_that_it_was_fitted_to() -> None:
    fitted = Calibration(branches=("full", "fg_mask"), class_weights=UNIT_WEIGHTS)
    dataset = {"fusion": "class_weighted_logits", "calibration": fitted}
    assert plan_of({}, dataset).branches == ("full", "fg_mask")
    [problem] = problems_of({"branches": ("full", "fg")}, dataset)
    assert (problem.field, "calibrated for full, fg_mask" in problem.detail) == ("fusion", True)
    assert plan_of({"branches": ("full", "fg"), "fusion": "average"}, dataset).branches == ("full", "fg")
