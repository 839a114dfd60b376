"""Texts given to models: class prompts for the encoder, object prompts for the localizer."""

from collections.abc import Callable, Sequence

PLACE = "{}"
DEFAULT_TEMPLATE = "A photo of a {}"  # L2R2, section 4.3


def class_prompts(names: Sequence[str], templates: Sequence[str]) -> list[str]:
    """Every template filled with every name, names first: `len(names) * len(templates)` texts."""
    return [template.replace(PLACE, name) for name in names for template in templates]


def normalized_object_prompt(prompt: str) -> str:
    """Lower case, single spaces, no closing full stop: the form GroundingDINO was trained on, less its separator."""
    return " ".join(prompt.lower().split()).rstrip(". ")


def joined(prompts: Sequence[str]) -> str:
    """GroundingDINO's form of several prompts: parts joined by ". ", with a closing full stop."""
    return ". ".join(normalized_object_prompt(prompt) for prompt in prompts) + "."


def split_by_tokens(
    prompts: Sequence[str], count_tokens: Callable[[str], int], max_tokens: int
) -> list[tuple[str, ...]]:
    """Prompts in runs, in order, whose joined text has at most `max_tokens` tokens.

    Raises:
        ValueError: one prompt alone has more.
    """
    runs: list[tuple[str, ...]] = []
    run: tuple[str, ...] = ()
    for prompt in prompts:
        if count_tokens(joined([prompt])) > max_tokens:
            raise ValueError(f"{prompt[:40]!r} has more than {max_tokens} tokens")
        if run and count_tokens(joined([*run, prompt])) > max_tokens:
            runs.append(run)
            run = ()
        run = (*run, prompt)
    return [*runs, run] if run else runs
