"""The time of the models as people load them without further thought, beside ours, on prepared input."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from service.bench.figures import percentile
from service.bench.scenes import PROMPTS, Models, timed_ms
from service.engine import Engine
from service.recognition.views import DEFAULT_BRANCHES
from service.settings import Settings

ROUNDS = 12


def plain_model_ms(engine: Engine, settings: Settings, models: Models, files: Sequence[str]) -> dict[str, Any]:
    """Medians over rounds that take turns, of one picture: localizer and two views by plain models and by ours."""
    from service.bench.peers.plain_models import load_plain_models

    plain = load_plain_models(engine.localizer_row, engine.encoder_row, settings)
    scene = models.scene(Path(files[0]).read_bytes(), DEFAULT_BRANCHES)
    located = plain.prepare_picture(scene.rgb)
    assert scene.box is not None
    views = plain.prepare_views(scene.rgb, scene.box)
    own_located, own_views = models.localizer.preprocess(scene.rgb, PROMPTS), models.views(scene, DEFAULT_BRANCHES)
    times: dict[str, list[float]] = {"plain": [], "plain_encoder": [], "own": [], "own_encoder": []}
    for number in range(ROUNDS + 1):
        locate_ms, embed_ms = timed_ms(lambda: plain.locate([located]))[0], timed_ms(lambda: plain.embed([views]))[0]
        own_locate_ms = timed_ms(lambda: models.localizer.locate([own_located]))[0] if models.locates else 0.0
        own_embed_ms = timed_ms(lambda: models.encoder.embed_images(own_views))[0]
        if number:  # the first round warms up
            times["plain"].append(locate_ms + embed_ms)
            times["plain_encoder"].append(embed_ms)
            times["own"].append(own_locate_ms + own_embed_ms)
            times["own_encoder"].append(own_embed_ms)
    return {f"{name}_ms": percentile(values, 50) for name, values in times.items()}
