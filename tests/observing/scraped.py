"""Metrics as numbers, read by the official parsers."""

from collections.abc import Mapping

import httpx
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

Numbers = Mapping[tuple[str, frozenset[tuple[str, str]]], float]
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def numbers_of(text: str, *, is_openmetrics: bool = False) -> Numbers:
    parse = openmetrics.text_string_to_metric_families if is_openmetrics else text_string_to_metric_families
    samples = [sample for family in parse(text) for sample in family.samples]
    found = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}
    assert len(found) == len(samples), "no series is told twice"
    return found


async def scrape(client: httpx.AsyncClient, **headers: str) -> Numbers:
    answer = await client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    return numbers_of(answer.text)


def total(numbers: Numbers, name: str, **labels: str) -> float:
    """The sum over all series of the name that have these labels."""
    return sum(value for (own, held), value in numbers.items() if own == name and labels.items() <= dict(held).items())
