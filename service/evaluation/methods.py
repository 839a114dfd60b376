"""Every branch and every fusion over kept looks: no model runs here."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from service.datasets.records import Dataset
from service.errors import FieldProblem, InvalidFields
from service.evaluation.labelled import Labelled
from service.evaluation.looks import Looks
from service.evaluation.results import Answers, Evaluation, Kind
from service.recognition.abstention import presence
from service.recognition.evidence import Evidence
from service.recognition.fusion import FUSIONS, Fusion, applicable
from service.recognition.scoring import class_logits
from service.recognition.views import DEFAULT_BRANCHES, FULL, VIEWS, answering_views

Floats = NDArray[np.float32]
ORACLE = "oracle"


def chosen_fusions(names: Sequence[str] | None, dataset: Dataset, branches: Sequence[str]) -> list[Fusion]:
    """The named fusions, or (None) all that can be applied to these branches.

    Raises:
        InvalidFields: a fusion that is not known, or that the dataset is not calibrated for.
    """
    fitted = dataset.spec.calibration
    usable = [row for name, row in FUSIONS.items() if applicable(name, branches, fitted) is row]
    if names is None:
        return usable
    allowed = tuple(row.name for row in usable)
    problems = [
        FieldProblem("fusions", f"{name!r} cannot be used here", allowed) for name in names if name not in allowed
    ]
    if problems:
        raise InvalidFields(*problems)
    return [FUSIONS[name] for name in names]


def evidence_of(looks: Looks, dataset: Dataset, scale: float, picture: Labelled, branches: Sequence[str]) -> Evidence:
    """What those of the branches that answer say of one picture, with what its metadata says."""
    return _evidence(looks, dataset, scale, picture, answering_views(branches, looks.embeddings))


def _evidence(looks: Looks, dataset: Dataset, scale: float, picture: Labelled, names: Sequence[str]) -> Evidence:
    rows = np.stack([looks.embeddings[name] for name in names])
    prior = dataset.prior_tables.apply(picture.metadata)
    logits = class_logits(rows, dataset.prototypes, scale)
    return Evidence(tuple(names), logits, looks.box_score, prior.log_weights)


def evaluate(
    pictures: Sequence[Labelled],
    looks: Sequence[Looks],
    dataset: Dataset,
    scale: float,
    branches: Sequence[str],
    applied: Mapping[tuple[str, ...], Sequence[Fusion]],
    about: Mapping[str, str],
    cascades: Sequence[float] = (),
) -> Evaluation:
    """All answers: of each of `branches` alone; of the fusions `applied` to each combination of branches, the dataset's
    own combination first; of its default fusion in cascades with these confidences; and of an oracle that picks a
    branch of that combination that is right, where one is.

    Raises:
        InvalidFields: a label is none of the dataset's classes.
    """
    right = right_answers(pictures, dataset.labels)
    pairs = list(zip(looks, pictures, strict=True))
    alone = [_evidence(look, dataset, scale, picture, tuple(look.embeddings)) for look, picture in pairs]
    answers = [_branch_answers(name, alone) for name in branches]
    usual = next(iter(applied))
    for combination, fusions in applied.items():
        together = [evidence_of(look, dataset, scale, picture, combination) for look, picture in pairs]
        suffix = "" if combination == usual else f" {'+'.join(combination)}"
        answers += [_fusion_answers(fusion, together, dataset, fusion.name + suffix) for fusion in fusions]
    default, about = _default(dataset, [fusion.name for fusion in applied[usual]], usual, about)
    together = [evidence_of(look, dataset, scale, picture, usual) for look, picture in pairs]
    [chosen] = [entry for entry in answers if entry.method == default]
    firsts = [name for name in DEFAULT_BRANCHES if name in usual]
    alone_first = {name: _alone(FUSIONS[default], name, together, dataset) for name in firsts if cascades}
    answers += [_cascade(chosen, name, level, rows) for name, rows in alone_first.items() for level in cascades]
    answers.append(_oracle([_branch_answers(name, alone) for name in usual], right))
    present = [presence_of(look, dataset, int(at), usual) for look, at in zip(looks, chosen.predicted, strict=True)]
    found = np.array(present, np.float32)
    fallbacks = tuple(look.fallback for look in looks)
    return Evaluation(tuple(pictures), dataset.labels, right, tuple(answers), fallbacks, default, about, found)


def _default(
    dataset: Dataset, names: Sequence[str], branches: Sequence[str], about: Mapping[str, str]
) -> tuple[str, Mapping[str, str]]:
    """Which of the fusions stands for the dataset's answers: its own, or the first, of which `about` tells then."""
    own = dataset.spec.fusion
    if own in names:
        return own, about
    fits = applicable(own, branches, dataset.spec.calibration) is FUSIONS[own]
    why = "was not asked for" if fits else f"is not fitted to {', '.join(branches)}"
    return names[0], {**about, "default fusion": f"{names[0]} instead of the dataset's {own}, which {why}"}


def right_answers(pictures: Sequence[Labelled], labels: Sequence[str]) -> NDArray[np.bool_]:
    """`[N, L]`. Raises InvalidFields for a label that is none of the classes (an empty one means none of them)."""
    check_labels(pictures, labels)
    places = {label: place for place, label in enumerate(labels)}
    right = np.zeros((len(pictures), len(labels)), np.bool_)
    for row, picture in zip(right, pictures, strict=True):
        row[[places[label] for label in picture.accepted if label in places]] = True
    return right


def check_labels(pictures: Sequence[Labelled], labels: Sequence[str]) -> None:
    """Raises InvalidFields for a label that is none of the classes."""
    strangers = sorted({picture.label for picture in pictures if picture.label} - set(labels))
    if strangers:
        detail = f"{', '.join(map(repr, strangers[:5]))} of the pictures' labels are none of the dataset's classes"
        raise InvalidFields(FieldProblem("data", detail, tuple(labels[:50])))


def presence_of(looks: Looks, dataset: Dataset, predicted: int, branches: Sequence[str]) -> float:
    """How much speaks for the predicted class being in the picture (`service.recognition.abstention`)."""
    names = answering_views(branches, looks.embeddings)
    cosines = {name: dataset.prototypes @ looks.embeddings[name] for name in names}
    boxed = any(VIEWS[name].needs_box for name in branches)  # else no box would be looked for
    return presence(cosines, predicted, looks.box_score if boxed else None)


def _branch_answers(name: str, evidence: Sequence[Evidence]) -> Answers:
    """A branch alone; the full picture where it could not be shown."""
    rows = [
        entry.probabilities()[name if name in entry.names else FULL if FULL in entry.names else entry.names[0]]
        for entry in evidence
    ]
    return _answers(name, "branch", rows)


def _fusion_answers(fusion: Fusion, evidence: Sequence[Evidence], dataset: Dataset, name: str) -> Answers:
    calibration = dataset.spec.calibration
    rows = []
    for entry in evidence:
        rows.append(applicable(fusion.name, entry.names, calibration)(entry, calibration).probabilities)
    return _answers(name, "fusion", rows)


def _alone(fusion: Fusion, name: str, evidence: Sequence[Evidence], dataset: Dataset) -> list[Floats | None]:
    """What the fusion makes of one view, None where it could not be shown."""
    calibration = dataset.spec.calibration
    rows: list[Floats | None] = []
    for entry in evidence:
        places = [place for place, other in enumerate(entry.names) if other == name]
        one = Evidence((name,), entry.logits[places], None, entry.log_prior) if places else None
        rows.append(None if one is None else fusion(one, calibration).probabilities)
    return rows


def _cascade(chosen: Answers, first: str, level: float, rows: Sequence[Floats | None]) -> Answers:
    """The first view's answer where it is sure enough, else the fusion's; its name says how often it stopped there."""
    stops = np.array([row is not None and float(row.max()) >= level for row in rows], np.bool_)
    predicted, confidence = chosen.predicted.copy(), chosen.confidence.copy()
    for place in np.flatnonzero(stops).tolist():
        row = rows[place]
        assert row is not None
        predicted[place], confidence[place] = int(row.argmax()), float(row.max())
    return Answers(f"cascade {first} {level:g} (stops {stops.mean():.0%})", "fusion", predicted, confidence)


def _answers(name: str, kind: Kind, rows: Sequence[Floats]) -> Answers:
    predicted = np.array([int(row.argmax()) for row in rows], np.intp)
    confidence = np.array([float(row.max()) for row in rows], np.float32)
    return Answers(name, kind, predicted, confidence)


def _oracle(branches: Sequence[Answers], right: NDArray[np.bool_]) -> Answers:
    predicted, confidence = branches[0].predicted.copy(), branches[0].confidence.copy()
    for entry in reversed(branches):
        found = right[np.arange(len(right)), entry.predicted]
        predicted[found], confidence[found] = entry.predicted[found], entry.confidence[found]
    return Answers(ORACLE, "oracle", predicted, confidence)
