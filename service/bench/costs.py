"""Cost against the number of classes, the size of the picture, and the number of datasets.

Lists of classes take turns, several times over, so that a machine that slows down slows all of them, and so do many
datasets and a single one. Sizes of pictures are read one after the other, each with the memory that it takes.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from service.bench.bare import Said
from service.bench.figures import Point, joined, known
from service.bench.meter import Meter
from service.bench.pictures import jpeg_of_megapixels
from service.bench.remote import Remote, class_names
from service.bench.request import Request

TURNS = 3
LEAST = 4  # answers in each turn
SMALL = 10  # classes of each of many datasets


def measure_classes(
    meter: Meter, remote: Remote, request: Request, counts: Sequence[int], seconds: float, said: Said
) -> dict[str, Any]:
    """One caller against lists of so many classes; how long each list took to register, in seconds."""
    names, registered_s = [], []
    for count in counts:
        said(f"registering {count} classes")
        begin_s = perf_counter()
        names.append(remote.register(f"classes-{count}", class_names(count, seed=count)))
        registered_s.append(perf_counter() - begin_s)
    requests = [asking(request, [name]) for name in names]
    points = in_turns(meter, requests, seconds, said, [f"{count} classes" for count in counts])
    for name in names:
        remote.forget(name)
    rows = zip(counts, registered_s, points, strict=True)
    return {"rows": [{"classes": n, "registered_s": taken, **point.document()} for n, taken, point in rows]}


def measure_datasets(
    meter: Meter, remote: Remote, request: Request, counts: Sequence[int], seconds: float, said: Said
) -> dict[str, Any]:
    """One caller who goes round in so many datasets, of ten classes each."""
    names: list[str] = []
    rows = []
    for count in sorted(counts):
        said(f"{count} datasets")
        for number in range(len(names), count):
            names.append(remote.register(f"many-{number}", class_names(SMALL, seed=number)))
        first, all_of_them = asking(request, names[:1]), asking(request, names)
        base, point = in_turns(meter, [first, all_of_them], seconds / 2, said, ["one of them", "all of them"])
        rows.append({"datasets": count, "one_p50_ms": known(base.percentile_ms(50)), **point.document()})
    for name in names:
        remote.forget(name)
    return {"rows": rows}


def measure_sizes(
    meter: Meter, request: Request, sizes: Sequence[float], seconds: float, folder: Path, most_bytes: int, said: Said
) -> dict[str, Any]:
    """One caller with a picture of so many megapixels; resting memory before, and the most while it is read, in MB."""
    rows = []
    for megapixels in sizes:
        said(f"{megapixels:g} megapixels")
        data = jpeg_of_megapixels(megapixels, most_bytes)
        file = folder / f"{megapixels:g}mp.jpg"
        file.write_bytes(data)
        resting_mb = meter.rss_mb()
        point = meter.closed(1, seconds / TURNS, least=LEAST, request=replace(request, pictures=[str(file)]))
        file.unlink()
        above = None
        if resting_mb is not None and point.server_peak_rss_mb is not None:
            above = point.server_peak_rss_mb - resting_mb
        memory = {"resting_mb": resting_mb, "above_resting_mb": above}
        rows.append({"megapixels": megapixels, "bytes": len(data), **memory, **point.document()})
    return {"rows": rows}


def in_turns(
    meter: Meter, requests: Sequence[Request], seconds: float, said: Said, titles: Sequence[str], concurrency: int = 1
) -> list[Point]:
    """Each of `requests` for about `seconds`, in turns."""
    turns: list[list[Point]] = [[] for _ in requests]
    for turn in range(TURNS):
        for request, found, title in zip(requests, turns, titles, strict=True):
            said(f"{title}, turn {turn + 1} of {TURNS}")
            found.append(meter.closed(concurrency, seconds / TURNS, least=LEAST * concurrency, request=request))
    return [joined(found) for found in turns]


def asking(request: Request, datasets: Sequence[str]) -> Request:
    """The same request of other datasets."""
    fields = request.fields[0]
    return replace(request, fields=[{**fields, "dataset": name} for name in datasets])
