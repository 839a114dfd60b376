"""A request's pictures: their bytes, or addresses that they are fetched from when their turn comes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.errors import FieldProblem, UrlFailed, UrlRefused

if TYPE_CHECKING:
    from service.fetching.fetch import Fetcher

AT_A_TIME = 4  # of one request: a short list of addresses is not to fill the memory


@dataclass(frozen=True)
class PictureUrl:
    """An address as it was sent, and the field that held it."""

    field: str
    url: str


Picture = bytes | PictureUrl


class Source:
    """What opens the pictures of one request; those with an address only where there is a `fetcher`."""

    def __init__(self, pictures: Sequence[Picture], fetcher: "Fetcher | None") -> None:
        """Raises UrlRefused where pictures would have to be fetched and that is off."""
        self._fetcher = fetcher
        self._turns = asyncio.Semaphore(min(AT_A_TIME, fetcher.limits.at_once if fetcher else AT_A_TIME))
        for picture in pictures:
            if isinstance(picture, PictureUrl):
                self._fetcher_for(picture)

    @asynccontextmanager
    async def opened(self, picture: Picture) -> AsyncIterator[bytes]:
        """The picture's bytes; those that are fetched keep their place among the fetched till the end.

        Raises:
            UrlRefused, UrlFailed: naming the field.
            ImageTooLarge, Overloaded.
        """
        if isinstance(picture, bytes):
            yield picture
            return
        try:
            async with self._turns, self._fetcher_for(picture).fetched(picture.url) as data:
                yield data
        except (UrlRefused, UrlFailed) as error:
            raise type(error)(FieldProblem(picture.field, error.problems[0].detail)) from None

    def _fetcher_for(self, picture: PictureUrl) -> "Fetcher":
        if self._fetcher is None:
            reason = "pictures are not fetched here; the setting L2R2_FETCH_URLS=true switches it on"
            raise UrlRefused(FieldProblem(picture.field, reason))
        return self._fetcher
