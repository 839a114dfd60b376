"""Boxes in pixels of the picture as it was sent; a large one is reduced when it is decoded."""

from dataclasses import replace

from service.recognition.answers import Recognition
from service.stages.photograph import Photograph

OF_MODELS = frozenset({"locate", "embed"})  # stages


def in_original_pixels(answer: Recognition, photo: Photograph) -> Recognition:
    """The answer as it is sent, with the times of its stages; it is `cached` where none of them was a model's."""
    x_scale, y_scale = photo.frame.scale
    objects = answer.objects and tuple(
        replace(entry, detection=entry.detection.scaled(x_scale, y_scale)) for entry in answer.objects
    )
    candidates = answer.candidates and tuple(
        replace(entry, detection=entry.detection and entry.detection.scaled(x_scale, y_scale))
        for entry in answer.candidates
    )
    detections = tuple(found.scaled(x_scale, y_scale) for found in answer.detections)
    timings_ms = photo.watch.read_ms()
    cached = OF_MODELS.isdisjoint(timings_ms)
    return replace(
        answer, detections=detections, objects=objects, candidates=candidates, timings_ms=timings_ms, cached=cached
    )
