"""Boxes in pixels of the picture as it was sent; a large one is reduced when it is decoded."""

from dataclasses import replace

from service.images import Picture
from service.recognition.answers import Recognition
from service.telemetry import Stopwatch


def in_original_pixels(answer: Recognition, picture: Picture, watch: Stopwatch) -> Recognition:
    """The answer as it is sent, with the times of its stages."""
    x_scale, y_scale = picture.scale
    objects = answer.objects and tuple(
        replace(entry, detection=entry.detection.scaled(x_scale, y_scale)) for entry in answer.objects
    )
    candidates = answer.candidates and tuple(
        replace(entry, detection=entry.detection and entry.detection.scaled(x_scale, y_scale))
        for entry in answer.candidates
    )
    detections = tuple(found.scaled(x_scale, y_scale) for found in answer.detections)
    return replace(answer, detections=detections, objects=objects, candidates=candidates, timings_ms=watch.read_ms())
