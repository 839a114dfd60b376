"""`Client`: a service, asked by a thread that waits for the answer."""

import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, TypeVar, Unpack

import httpx

from service.client import calls
from service.client.calls import Call
from service.client.connecting import DEFAULT_URL, Connection, Timeouts
from service.client.dataset_results import Models
from service.client.options import ClassifyOptions
from service.client.pictures import Picture
from service.client.punctual import make_punctual, over_in
from service.client.results import Answer, Outcome
from service.client.retrying import Attempts, Retries
from service.client.several import Progress, by_threads
from service.client.waiting_datasets import Datasets

Read = TypeVar("Read")
Asked = TypeVar("Asked", bound=Picture)


class Client:
    """Threads may share it. `with Client(url) as client:` closes its connections at the end, as `close` does.

    key: of the service, if it asks for one. timeouts: of one attempt. retries: of a refused or broken request. Proxies
    and certificates are those of the environment, as httpx takes them; `transport` takes the network's place.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        key: str | None = None,
        timeouts: Timeouts | None = None,
        retries: Retries | None = None,
        connections: int = 100,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._connection = Connection.to(url, key, timeouts, retries)
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._http = httpx.Client(limits=limits, transport=transport)
        self._closing = threading.Event()
        make_punctual(self._http, self._closing)
        self.datasets = Datasets(self.made, self._closing)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Who waits to ask again gets the last error at once."""
        self._closing.set()
        self._http.close()

    def classify(
        self, picture: Picture, *, deadline_s: float | None = None, **options: Unpack[ClassifyOptions]
    ) -> Answer:
        """What is in a picture: a path, bytes, an open file, an image of Pillow's, or an `https://` address.

        deadline_s: seconds for everything, repetitions too; the service is told, and refuses what it cannot do in time.

        Raises:
            ProblemError: the service refused; its subclasses tell what. ServiceUnreachable: none answers.
            OSError: the picture cannot be read.
        """
        return self.made(calls.classify(picture, options), deadline_s)

    def classify_many(
        self,
        pictures: Iterable[Asked],
        *,
        concurrency: int = 8,
        ordered: bool = True,
        progress: Progress | None = None,
        deadline_s: float | None = None,
        **options: Unpack[ClassifyOptions],
    ) -> Iterator[Outcome[Asked]]:
        """An answer or an error for each picture, so many at a time, in the order given or (`ordered` false) as they
        come. Pictures are taken one by one, a few ahead of what was yielded.

        progress: called with the number of pictures done, by the thread that iterates. deadline_s: of each picture.
        """

        def ask(picture: Asked, unwanted: threading.Event) -> Answer:
            return self.made(calls.classify(picture, options), deadline_s, unwanted)

        return by_threads(ask, pictures, concurrency, ordered, progress)

    def models(self) -> Models:
        """What is loaded, and the names that may be used."""
        return self.made(calls.models())

    def made(self, call: Call[Read], deadline_s: float | None = None, ending: threading.Event | None = None) -> Read:
        """The result of a call. Once `ending` is set nothing is asked again."""
        attempts = self._connection.attempts(deadline_s)
        while True:
            outcome = self._once(call, attempts)
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                return call.result(outcome)
            error, wait_s = self._connection.fate(call, attempts, outcome)
            if wait_s is None or (ending or self._closing).wait(wait_s) or self._closing.is_set():
                raise error

    def _once(self, call: Call[Any], attempts: Attempts) -> httpx.Response | httpx.RequestError:
        request = self._connection.request(call, attempts)
        try:
            with over_in(self._connection.limit_s(call, attempts)), self._http.stream(**request) as response:
                self._connection.bound(call, attempts, response).read()
                return response
        except httpx.RequestError as error:
            return error
