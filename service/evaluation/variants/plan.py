"""Which pictures are to be made of which: decided before any is made."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from service.evaluation.variants.compose import Output, output_of
from service.evaluation.variants.grounds import Grounds
from service.evaluation.variants.kinds import ADVERSARIAL, Variant
from service.evaluation.variants.names import Named
from service.evaluation.variants.subjects import MASKS, Subject
from service.evaluation.variants.tables import Made, Skipped


@dataclass
class Plan:
    """The pictures to make by foreground; the table's rows by kind, then name; and what has no background."""

    outputs: dict[Subject, list[Output]] = field(default_factory=dict)
    made: list[Made] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def plan(
    rows: dict[str, Named], subjects: Sequence[Subject], variants: Sequence[Variant], seed: int, adversarial: int,
    picture_format: str,
) -> Plan:  # fmt: skip
    """rows: the pictures of the table by name."""
    planned, grounds = Plan(), Grounds(subjects, seed)
    for variant in variants:
        for subject in sorted(subjects, key=lambda subject: (subject.label, subject.name)):
            backgrounds: Sequence[Subject | None] = [None]
            if variant.ground:
                backgrounds = grounds.choose(variant, subject, adversarial)
                lack = _lack(variant, len(backgrounds), adversarial)
                planned.skipped += [Skipped(subject.path, lack)] if lack else []
            for output in _outputs(variant, subject, backgrounds, picture_format):
                planned.outputs.setdefault(subject, []).append(output)
                planned.made.append(_made(variant, rows[subject.name], subject, output))
    return planned


def _outputs(
    variant: Variant, subject: Subject, backgrounds: Sequence[Subject | None], picture_format: str
) -> Iterator[Output]:
    for number, background in enumerate(backgrounds, 1):
        yield output_of(variant, subject, background, number if variant.name == ADVERSARIAL else 0, picture_format)


def _lack(variant: Variant, found: int, adversarial: int) -> str:
    if variant.name == ADVERSARIAL:
        return f"{variant.name}: {found} backgrounds instead of {adversarial}" if found < adversarial else ""
    whose = {"same": "of its class", "next": "of the next class", "random": "of any class"}
    return "" if found else f"{variant.name}: no other picture {whose[variant.ground or 'random']}"


def _made(variant: Variant, row: Named, subject: Subject, output: Output) -> Made:
    mask = f"{MASKS}/{subject.name}.png" if subject.mask else ""
    return Made(
        output.target,
        variant.name,
        row.picture,
        subject.source,
        output.background.source if output.background else "",
        subject.box if variant.shows_object else None,
        mask if variant.shows_object else "",
    )
