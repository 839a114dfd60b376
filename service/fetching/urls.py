"""Addresses of pictures, read strictly: what two programs could read differently is refused."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import quote, urljoin, urlsplit

import idna

from service.errors import UrlRefused
from service.fetching.refusals import refused

PORT = 443
MOST_CHARACTERS = 4096
_AUTHORITY = re.compile(r"(?:\[(?P<v6>[^\[\]]*)\]|(?P<name>[^\[\]:]*))(?P<port>:.*)?", re.DOTALL)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_NOT_ASCII = re.compile(r"[^\x21-\x7e]+")


@dataclass(frozen=True)
class Url:
    """`host` is a DNS name in lower-case ASCII, or an IP address in its usual form without brackets; `target` is what
    to ask of it, path and query."""

    host: str
    target: str

    @property
    def authority(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return f"https://{self.authority}{self.target}"


def parse_url(text: str, hosts: Sequence[str] = ()) -> Url:
    """The parts of an https address, on one of `hosts` if there are any (`*.example.org`: every name below it).

    Raises:
        UrlRefused: naming the rule.
    """
    _check_characters(text)
    try:
        parts = urlsplit(text)
    except ValueError:
        raise refused("is not an address") from None
    if parts.scheme != "https":
        raise refused("must begin with https://")
    host = _host(parts.netloc)
    if hosts and not any(host == listed or (listed[:2] == "*." and host.endswith(listed[1:])) for listed in hosts):
        raise refused("its host is none of those that pictures are fetched from here")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Url(host, _NOT_ASCII.sub(lambda found: quote(found[0]), target))


def redirected(url: Url, location: bytes, hosts: Sequence[str] = ()) -> Url:
    """Where a server sends us on to. Raises UrlRefused, saying so."""
    try:
        text = location.decode()
        _check_characters(text)
        return parse_url(urljoin(str(url), text), hosts)
    except ValueError:
        raise refused("redirects to what is not an address") from None
    except UrlRefused as error:
        raise refused(f"redirects to an address that is refused: {error.problems[0].detail}") from None


def _check_characters(text: str) -> None:
    if len(text) > MOST_CHARACTERS:
        raise refused(f"has {len(text)} characters; at most {MOST_CHARACTERS}")
    if not text.isprintable() or " " in text or "\\" in text:
        raise refused("must not hold spaces, control characters or backslashes")


def _host(authority: str) -> str:
    if "@" in authority:
        raise refused("must not name a user")
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise refused("its host is not written as usual")
    if found["port"] not in (None, f":{PORT}"):
        raise refused(f"must use port {PORT}")
    return _ipv6(found["v6"]) if found["v6"] is not None else _name(found["name"])


def _ipv6(text: str) -> str:
    try:
        usual = str(IPv6Address(text))
    except AddressValueError:
        usual = ""
    if "%" in text or usual != text.lower():
        raise refused("its IPv6 address is not written as usual")
    return usual


def _name(text: str) -> str:
    """A DNS name or an IPv4 address; what ends in a number is meant as an address by some programs."""
    try:
        labels = [idna.alabel(label).decode() if not label.isascii() else label for label in text.lower().split(".")]
    except idna.IDNAError:
        raise refused("its host is no DNS name") from None
    name = ".".join(labels)
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(name))  # knows the usual form alone
        except AddressValueError:
            raise refused("its host is a number that is no IPv4 address as usually written") from None
    if len(name) > 253 or len(labels) < 2 or not all(map(_LABEL.fullmatch, labels)):
        raise refused("its host is no full DNS name")
    return name
