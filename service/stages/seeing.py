"""From a box to the views that answer: the mask, where one is needed, and the views, a few scenes at a time."""

import asyncio
from collections.abc import Sequence

from service.images import Picture
from service.recognition.boxes import Detection
from service.recognition.views import answering_views
from service.stages.locating import Locating
from service.stages.looking import Looking, Views, shown_of
from service.stages.options import Limits, Plan
from service.telemetry import Stopwatch


class Seeing:
    """Masks are as large as their picture, and a request may need many: only so many are held at once."""

    def __init__(self, locating: Locating, looking: Looking, limits: Limits) -> None:
        self._locating, self._looking = locating, looking
        self._places = asyncio.Semaphore(limits.max_batch.encoder)

    async def whole(
        self, picture: Picture, found: Detection | None, plan: Plan, watch: Stopwatch, seen: Sequence[str] = ()
    ) -> tuple[tuple[str, ...], Views]:
        """The branches that answer for the picture, and the views of those not `seen` yet."""
        async with self._places:
            with watch.stage("locate"):
                scene = await self._locating.scene(picture, found, plan)
            shown = answering_views(plan.branches, shown_of(scene, plan.branches))
            missing = [name for name in shown if name not in seen]
            return shown, await self._looking.make(scene, missing, plan.style, watch)

    async def boxed(
        self,
        picture: Picture,
        found: Detection | None,
        plan: Plan,
        watch: Stopwatch,
        instead: Sequence[str] = (),
    ) -> Views:
        """The views made with one box of several; `instead` where none of them can be shown."""
        async with self._places:
            scene = await self._locating.scene(picture, found, plan)
            return await self._looking.make(scene, shown_of(scene, plan.box_branches) or instead, plan.style, watch)
