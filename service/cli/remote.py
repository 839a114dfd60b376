"""A running service, as the commands see it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated

import typer

from service.cli.completing import dataset_names
from service.client import Client, Retries, UnauthorizedError
from service.client.connecting import DEFAULT_URL
from service.settings import client_key

Url = Annotated[str, typer.Option(help="Address of the service.")]
Name = Annotated[str, typer.Argument(help="Name of the dataset.", autocompletion=dataset_names)]
Key = Annotated[str | None, typer.Option(help="Key of the service; better in the variable L2R2_KEY.")]
HOW_TO_SEND_A_KEY = "here by --key or the variable L2R2_KEY"
ONCE = Retries(connections=1)  # who waits at a terminal wants to know at once that nobody is there
__all__ = ["DEFAULT_URL", "ONCE", "Key", "Name", "Service", "Url"]


@dataclass(frozen=True)
class Service:
    """The service at `url`, asked with `key` or else that of the environment, if there is one."""

    url: str
    key: str | None = field(default=None, repr=False)

    @property
    def sent_key(self) -> str | None:
        return self.key or client_key()

    @contextmanager
    def opened(self, retries: Retries = ONCE) -> Iterator[Client]:
        with Client(self.url, key=self.sent_key, retries=retries) as client:
            try:
                yield client
            except UnauthorizedError as error:
                raise with_hint(error) from None


def with_hint(error: UnauthorizedError) -> UnauthorizedError:
    detail = f"{error.detail}; {HOW_TO_SEND_A_KEY}"
    return UnauthorizedError(error.status, error.code, detail, error.errors, error.request_id)
