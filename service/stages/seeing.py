"""From a box to embeddings of the views that can be shown; of those that are known already nothing is made again."""

import asyncio
import math
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

from service.models.ports import Floats
from service.recognition.boxes import Box, Detection
from service.recognition.views import FULL, VIEWS, Scene, Style, answering_views
from service.stages.locating import Located, Locating, Mask, full_size
from service.stages.looking import Looking, Looks, Views
from service.stages.options import Limits, Plan
from service.stages.photograph import Photograph
from service.stages.pieces import MaskOf, ViewOf
from service.stages.together import all_of, done_in

SMALL = 3 * 2**19  # colours of a picture whose view is made in less time than it is worth to begin early


@dataclass(frozen=True)
class Sight:
    """Views to look at, those of an object as it was `found`; `instead` where none of the object can be shown."""

    found: Detection | None
    names: tuple[str, ...]
    instead: tuple[str, ...] = ()

    @property
    def box(self) -> Box | None:
        return None if self.found is None else self.found.box

    @cached_property
    def mask(self) -> MaskOf | None:
        """Of the object, if a view needs it."""
        wanted = self.found is not None and any(VIEWS[name].needs_mask for name in self.names)
        return MaskOf.made_from(self.found) if wanted and self.found is not None else None

    def shown(self, *, masked: bool) -> tuple[str, ...]:
        """The views that answer, where the mask is empty or not."""
        boxed = self.found is not None
        possible = [
            name
            for name in self.names
            if (boxed or not VIEWS[name].needs_box) and (masked or not VIEWS[name].needs_mask)
        ]
        return answering_views(self.names, possible, self.instead)

    def piece(self, name: str, style: Style) -> ViewOf:
        return ViewOf.seen(name, self.found, self.mask, style)


def whole_sight(located: Located, plan: Plan) -> Sight:
    """The plan's views, or the full picture alone where none of the object can be shown (section 3.1)."""
    return Sight(located.best, plan.branches, instead=(FULL,))


def relied_on(located: Located, plan: Plan, shown: Collection[str]) -> Located:
    """What was located, with a fallback where there is a box, but masks were asked for and none was made."""
    missing = plan.box_branches and not any(VIEWS[name].needs_box for name in shown)
    return replace(located, fallback="no_detection") if missing and located.fallback is None else located


@dataclass(frozen=True)
class _Seen:
    """The views that can be shown, each with the key of its embedding, and those embeddings that are known already."""

    shown: Mapping[str, ViewOf]
    known: Looks

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(name for name in self.shown if name not in self.known)

    @property
    def misses_mask(self) -> bool:
        return any(VIEWS[name].needs_mask for name in self.missing)


class Seeing:
    """Masks are as large as their picture, and a request may need many: only so many are held at once."""

    def __init__(self, locating: Locating, looking: Looking, limits: Limits, pool: ThreadPoolExecutor) -> None:
        self._locating, self._looking, self._pool = locating, looking, pool
        self._places = asyncio.Semaphore(limits.pictures_at_once)

    async def look(self, photo: Photograph, sights: Sequence[Sight], style: Style) -> list[dict[str, Floats]]:
        """For each sight the unit embeddings `[D]` of its views that can be shown; the encoder is called once for all
        that are not known yet, and not at all where none is missing."""
        pairs = await all_of(self._made(photo, sight, style) for sight in sights)
        new = iter(await self._looking.embed([views for _, views in pairs if views is not None], photo.watch))
        return [_complete(photo, seen, {} if views is None else next(new)) for seen, views in pairs]

    async def make_ready(self, photo: Photograph, sights: Sequence[Sight], style: Style) -> None:
        """Views of a large picture that need no box and are not known, for the next look of the same request."""
        pieces = [sight.piece(name, style) for sight in sights for name in sight.shown(masked=False)]
        names = tuple(piece.name for piece in pieces if not photo.knows(piece))
        picture = await photo.picture() if names else None
        if picture is not None and picture.rgb.size > SMALL:
            with photo.watch.stage("views"):
                made = await done_in(self._pool, self._looking.made, Scene(picture.rgb), names, style)
            photo.ready.update(zip(names, made.pixels, strict=True))

    def look_now(self, photo: Photograph, sight: Sight, style: Style, timeout_s: float) -> dict[str, Floats]:
        """The same for views without a mask and callers without an event loop. Raises DeadlineExceeded."""
        seen, rows = _seen(photo, sight, style, masked=False), {}
        if seen.missing:
            scene = Scene(photo.picture_now().rgb, sight.box)
            made = self._looking.look_now(scene, seen.missing, style, timeout_s)
            rows = dict(zip(seen.missing, made, strict=True))
        return _complete(photo, seen, rows)

    async def _made(self, photo: Photograph, sight: Sight, style: Style) -> tuple[_Seen, Views | None]:
        """What is known of a sight, and its other views, if there are any."""
        shows = photo.recall(sight.mask) if sight.mask is not None else False
        seen = None if shows is None else _seen(photo, sight, style, masked=shows)
        if seen is not None and not seen.missing:
            return seen, None
        picture = await photo.picture()
        async with self._places:
            masked = seen is None or seen.misses_mask
            drawn = await self._locating.drawn_mask(photo, picture, sight.found) if masked and sight.found else None
            with photo.watch.stage("views"):
                return await done_in(self._pool, self._made_now, photo, sight, style, seen, masked=masked, drawn=drawn)

    def _made_now(
        self, photo: Photograph, sight: Sight, style: Style, seen: _Seen | None, *, masked: bool, drawn: Mask | None
    ) -> tuple[_Seen, Views]:
        """For a thread of the pool. `seen`: None where it depends on the mask. `masked`: a mask is needed; `drawn`: a
        segmenter's, None where it made none."""
        scene = _masked_scene(photo, sight, drawn) if masked else Scene(photo.picture_now().rgb, sight.box)
        if seen is None or (masked and scene.mask is None):  # which may be too late this time
            seen = _seen(photo, sight, style, masked=scene.mask is not None)
        return seen, self._looking.made(scene, seen.missing, style, photo.ready)


def _masked_scene(photo: Photograph, sight: Sight, drawn: Mask | None) -> Scene:
    """With the object's mask, its own or as `drawn`; None for an empty one, which is remembered."""
    rgb, found, key = photo.picture_now().rgb, sight.found, sight.mask
    assert found is not None  # a view needs the mask
    assert key is not None
    mask = drawn if found.mask is None else full_size(found, rgb)
    if mask is None:
        return Scene(rgb, found.box)
    shows = bool(mask.any())
    photo.keep(key, shows)
    return Scene(rgb, found.box, mask if shows else None)


def _seen(photo: Photograph, sight: Sight, style: Style, *, masked: bool) -> _Seen:
    pieces = {name: sight.piece(name, style) for name in sight.shown(masked=masked)}
    rows = {name: photo.recall(piece) for name, piece in pieces.items()}
    return _Seen(pieces, {name: row for name, row in rows.items() if row is not None})


def _complete(photo: Photograph, seen: _Seen, rows: Looks) -> dict[str, Floats]:
    """All views that are shown, with the new `rows`; those are kept, if they are numbers."""
    looks = dict(seen.known)
    for name, row in rows.items():
        looks[name] = row.copy()  # a part of the batch's rows would keep all of these
        looks[name].setflags(write=False)
        if math.isfinite(row @ row):
            photo.keep(seen.shown[name], looks[name])
    return {name: looks[name] for name in seen.shown}
