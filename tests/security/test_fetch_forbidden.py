"""Nobody gets into a private network by an address: every way in that is known, through the real code of a fetch, with
connections that would lead to a local server whatever address they are for, and are never asked for."""

import ssl
from collections.abc import AsyncIterator
from itertools import cycle

import pytest
import trustme
from https_servers import PUBLIC, Network, Server, response, sends, serving, tls_for, trusting
from hypothesis import given
from hypothesis import strategies as st

from service.errors import UrlFailed, UrlRefused
from service.fetching.fetch import Fetcher, FetchLimits
from service.fetching.network import NOT_PUBLIC
from service.fetching.urls import parse_url

# ruff: noqa: RUF001  letters and digits of other scripts are the point
pytestmark = pytest.mark.anyio

# Addresses that are written as usual, and are not public.
ADDRESSES = (
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255", "127.0.0.1",
    "127.1.2.3", "127.255.255.255", "168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2", "172.16.0.1",
    "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.255.255",
    "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255",
    "::", "::1", "::2", "::7f00:1", "::ffff:0:7f00:1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::a00:1",
    "64:ff9b:1::1", "100::1", "2001::1", "2001:0:5db8:d70e::80ff:fffe", "2001:2::1", "2001:10::1", "2001:20::1",
    "2001:db8::1", "2002:7f00:1::1", "2002:a00:1::1", "2002:a9fe:a9fe::1", "2002:808:808::1", "2600::5efe:a00:1",
    "2600::200:5efe:7f00:1", "3fff::1", "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254",
    "fdff:ffff::1", "fe80::1", "fe80::a9fe:a9fe", "fec0::1", "feff::1", "ff02::1", "ff0e::1",
)  # fmt: skip
# What some program reads as an address, or as another host than others do.
NOTATIONS = (
    "https://2130706433/", "https://017700000001/", "https://0x7f000001/", "https://0x7f.0.0.1/", "https://0177.0.0.1/",
    "https://0177.0.0.01/", "https://127.1/", "https://127.0.1/", "https://0/", "https://0x0/", "https://0x/",
    "https://127.0.0.1./", "https://127.0.0.0x1/", "https://127.0.0.256/", "https://127.0.0.1.1/",
    "https://127.0.0.001/", "https://1.2.3.4.0x7f/", "https://example.org.127/", "https://4294967297/",
    "https://18446744073709551617/", "https://127%2e0%2e0%2e1/", "https://%31%32%37.0.0.1/", "https://127.0.0.1%00/",
    "https://127。0。0。1/", "https://127.0.0.1/", "https://①②⑦.⓪.⓪.①/", "https://１２７.0.0.1/",
    "https://lo𝓬alhost/", "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", "https://ⓔxample.org/", "https://example。org/", "https://example．org/",
    "https://٠.٠.٠.٠/", "https://١٢٧.٠.٠.١/", "https://localhost/", "https://LOCALHOST/", "https://metadata/",
    "https://good.example./", "https://good.example../", "https://.good.example/", "https://good..example/",
    "https://good.example%2f@127.0.0.1/", "https://good.example@127.0.0.1/", "https://127.0.0.1@good.example/",
    "https://user:password@good.example/", "https://@good.example/", "https://good.example\\@127.0.0.1/",
    "https://127.0.0.1\\@good.example/", "https:\\\\good.example/", "https:/\\good.example/",
    "https://good.example#@127.0.0.1:80/", "https://good.example?@127.0.0.1:80", "https://127.0.0.1#@good.example/",
    "https://127.0.0.1?@good.example/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/",
    "https://[::ffff:169.254.169.254]/", "https://[0:0:0:0:0:ffff:7f00:1]/", "https://[::127.0.0.1]/",
    "https://[0000::1]/", "https://[0:0:0:0:0:0:0:1]/", "https://[::1%25eth0]/", "https://[fe80::1%25lo]/",
    "https://[fe80::1%lo]/", "https://[2600::1%eth0]/", "https://[2600:0::1]/", "https://[::1/", "https://::1]/",
    "https://::1/", "https://[::1]@good.example/", "https://[127.0.0.1]/", "https://[]/", "https://[v1.good]/",
    "https://good.example:80/", "https://good.example:0443/", "https://good.example:444/", "https://good.example:/",
    "https://good.example:443:443/", "https://good.example:+443/", "https://good.example:４４３/",
    "https://127.0.0.1:443/", "https://127.0.0.1:22/", "https:///good.example/", "https:good.example/", "https:///",
    "https://", "https:", "https", "", "/", "//good.example/", "good.example/photo.jpg", "http://good.example/",
    "http://127.0.0.1/", "HTTP://good.example/", "ftp://good.example/", "file:///etc/passwd",
    "file://localhost/etc/passwd", "gopher://127.0.0.1:6379/_FLUSHALL", "dict://127.0.0.1:11211/", "ldap://127.0.0.1/",
    "data:image/png;base64,AAAA", "jar:https://good.example/a!/b", "unix:///run/docker.sock", "javascript:alert(1)",
    "https+unix://good.example/", "view-source:https://good.example/", "wss://good.example/",
    " https://good.example/", "https://good.example/ ", "https://good.example/a b", "ht\ntps://good.example/",
    "https://good.exa\tmple/", "https://good.example/\r\nHost: 127.0.0.1", "https://good.example\r\n/",
    "https://good.example/\x00", "https://good.example\x00.evil.example/", "https://good.example/\u2028",
    "https://good.example/\ud800", "https://good_example.example/", "https://-good.example/", "https://good-.example/",
    "https://xn--/", "https://*.example/", "https://good.example,127.0.0.1/", "https://good.example;127.0.0.1/",
    "https://good.example&127.0.0.1/", "https://$(id).example/", "https://" + "a" * 64 + ".example/",
    "https://" + "a." * 130 + "example/", "https://good.example/" + "a" * 5000,
)  # fmt: skip
# Those of them that name the good host in a way that is not misread: they are fetched from there, and only from there.
HARMLESS = frozenset({"https://good.example#@127.0.0.1:80/", "https://good.example?@127.0.0.1:80"})
REDIRECTS = (
    "http://good.example/", "http://127.0.0.1/", "//127.0.0.1/", "https://127.0.0.1/", "https://169.254.169.254/latest",
    "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://2130706433/", "https://0x7f.1/", "https://localhost/",
    "https://good.example:8443/", "//good.example:22/", "https://user@good.example/", "https://good.example@10.0.0.1/",
    "https://inside.example/", "//inside.example/", "https://mixed.example/", "https://unknown.example/",
    "file:///etc/passwd", "ftp://good.example/", "gopher://127.0.0.1:6379/_", "data:image/png;base64,AAAA",
    "https:\\\\127.0.0.1/", "\\\\127.0.0.1\\", "https://good.example\\@127.0.0.1/", "https://[fe80::1%25lo]/",
    "https://１２７.0.0.1/", "https://metadata.google.internal/", "ht\ttps://127.0.0.1/", "https://127.0.0.1 /",
    "https://[64:ff9b::a9fe:a9fe]/", "https://[2002:7f00:1::1]/",
)  # fmt: skip


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trust(authority: trustme.CA) -> ssl.SSLContext:
    return trusting(authority)


@pytest.fixture
async def inside(authority: trustme.CA) -> AsyncIterator[Server]:
    """What must not be reached: it would answer every name with a picture."""
    tls = tls_for(authority, "good.example", "inside.example", "mixed.example", "127.0.0.1", "::1")
    async with serving(sends(response(b"secret")), tls) as server:
        yield server


def literal(address: str) -> str:
    return f"https://[{address}]/" if ":" in address else f"https://{address}/"


async def refusal(fetcher: Fetcher, url: str) -> UrlRefused:
    with pytest.raises(UrlRefused) as caught:
        async with fetcher.fetched(url):
            pass
    fetcher.close()
    return caught.value


@pytest.mark.parametrize("address", ADDRESSES)
async def test_an_address_that_is_not_public_is_not_connected_to(
    inside: Server, trust: ssl.SSLContext, address: str
) -> None:
    network = Network({"good.example": [[address]]}, {}, everywhere=inside.port)
    for url in (literal(address), "https://good.example/"):
        error = await refusal(Fetcher(FetchLimits(), network.resolve, network.connect, trust), url)
        assert error.problems[0].detail == NOT_PUBLIC
        assert address not in str(error.problems) + error.detail
    assert (network.connected, inside.connections) == ([], 0)
    assert network.asked == ["good.example"]  # an address is nobody's name


@pytest.mark.parametrize("address", ADDRESSES)
async def test_a_name_with_one_bad_address_among_good_ones_is_not_connected_to(
    inside: Server, trust: ssl.SSLContext, address: str
) -> None:
    for answer in ([PUBLIC, address], [address, PUBLIC], [PUBLIC, "2600::1", address]):
        network = Network({"mixed.example": [answer]}, {}, everywhere=inside.port)
        error = await refusal(Fetcher(FetchLimits(), network.resolve, network.connect, trust), "https://mixed.example/")
        assert (error.problems[0].detail, network.connected, inside.connections) == (NOT_PUBLIC, [], 0)


@pytest.mark.parametrize("url", [url for url in NOTATIONS if url not in HARMLESS])
async def test_what_could_be_read_in_two_ways_is_refused_unresolved(
    inside: Server, trust: ssl.SSLContext, url: str
) -> None:
    network = Network({"good.example": [[PUBLIC]]}, {}, everywhere=inside.port)
    await refusal(Fetcher(FetchLimits(), network.resolve, network.connect, trust), url)
    assert (network.connected, inside.connections, network.asked) == ([], 0, [])


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://user:password@good.example/", "must not name a user"),
        ("http://good.example/", "must begin with https://"),
        ("https://good.example:8443/", "must use port 443"),
        ("https://2130706433/", "a number that is no IPv4 address"),
        ("https://localhost/", "no full DNS name"),
        ("https://good.example/a b", "must not hold spaces"),
        ("https://good.example/" + "a" * 5000, "has 5021 characters; at most 4096"),
    ],
)
def test_a_refusal_names_the_rule(url: str, words: str) -> None:
    with pytest.raises(UrlRefused, match=words):
        parse_url(url)


@pytest.mark.parametrize("url", sorted(HARMLESS))
def test_what_stands_behind_the_host_is_not_the_host(url: str) -> None:
    assert parse_url(url).host == "good.example"


@pytest.mark.parametrize(("location", "status"), [*zip(REDIRECTS, cycle([301, 302, 303, 307, 308]), strict=False)])
async def test_a_redirect_to_a_forbidden_place_is_not_followed(
    inside: Server, authority: trustme.CA, trust: ssl.SSLContext, location: str, status: int
) -> None:
    names = {"good.example": [[PUBLIC]], "inside.example": [["10.0.0.7"]], "mixed.example": [[PUBLIC, "10.0.0.7"]]}
    answer = response(b"", status, f"Location: {location}").decode().encode("utf-8", "surrogateescape")
    async with serving(sends(answer), tls_for(authority, "good.example")) as good:
        network = Network(names, {PUBLIC: good.port}, everywhere=inside.port)
        error = await refusal(Fetcher(FetchLimits(), network.resolve, network.connect, trust), "https://good.example/")
        assert network.connected == [(PUBLIC, 443)]
        assert (len(good.heads), inside.connections) == (1, 0)
        assert "10.0.0.7" not in error.detail


async def test_a_name_is_resolved_once_and_what_was_judged_is_connected_to(
    inside: Server, authority: trustme.CA, trust: ssl.SSLContext
) -> None:
    """DNS rebinding: the name server answers with a public address first, and with a private one from then on."""
    async with serving(sends(response(b"picture")), tls_for(authority, "rebinding.example")) as outside:
        network = Network({"rebinding.example": [[PUBLIC], ["10.0.0.7"]]}, {PUBLIC: outside.port}, inside.port)
        fetcher = Fetcher(FetchLimits(), network.resolve, network.connect, trust)
        async with fetcher.fetched("https://rebinding.example/") as data:
            assert data == b"picture"
        assert (network.asked, network.connected) == (["rebinding.example"], [(PUBLIC, 443)])
        error = await refusal(fetcher, "https://rebinding.example/")
        assert (error.problems[0].detail, len(network.connected), inside.connections) == (NOT_PUBLIC, 1, 0)


async def test_a_redirect_to_the_same_name_is_judged_anew(
    inside: Server, authority: trustme.CA, trust: ssl.SSLContext
) -> None:
    answer = response(b"", 302, "Location: /again")
    async with serving(sends(answer), tls_for(authority, "rebinding.example")) as outside:
        network = Network({"rebinding.example": [[PUBLIC], ["127.0.0.1"]]}, {PUBLIC: outside.port}, inside.port)
        fetcher = Fetcher(FetchLimits(), network.resolve, network.connect, trust)
        await refusal(fetcher, "https://rebinding.example/")
        assert (network.connected, inside.connections) == ([(PUBLIC, 443)], 0)


async def test_names_that_nobody_knows_and_private_names_are_told_apart_by_nothing(trust: ssl.SSLContext) -> None:
    network = Network({"inside.example": [["10.0.0.7"]]}, {})
    fetcher = Fetcher(FetchLimits(), network.resolve, network.connect, trust)
    known = await refusal(fetcher, "https://inside.example/")
    unknown = await refusal(fetcher, "https://unknown.example/")
    assert (known.detail, known.problems) == (unknown.detail, unknown.problems)


@pytest.mark.parametrize(
    ("hosts", "host", "allowed"),
    [
        (("good.example",), "good.example", True),
        (("good.example",), "GOOD.example", True),
        (("good.example",), "pictures.good.example", False),
        (("good.example",), "good.example.evil.example", False),
        (("good.example",), "notgood.example", False),
        (("*.good.example",), "pictures.good.example", True),
        (("*.good.example",), "a.b.good.example", True),
        (("*.good.example",), "good.example", False),
        (("*.good.example",), "notgood.example", False),
        (("*.good.example",), PUBLIC, False),
        (("other.example", "*.good.example"), "a.good.example", True),
        ((), PUBLIC, True),
        ((PUBLIC,), PUBLIC, True),
    ],
)
async def test_where_hosts_are_listed_only_those_are_fetched_from(
    trust: ssl.SSLContext, hosts: tuple[str, ...], host: str, allowed: bool
) -> None:
    network = Network({host.lower(): [[PUBLIC]]}, {})
    fetcher = Fetcher(FetchLimits(hosts=hosts), network.resolve, network.connect, trust)
    with pytest.raises(UrlFailed if allowed else UrlRefused):  # nothing listens there
        async with fetcher.fetched(f"https://{host}/"):
            pass
    fetcher.close()
    assert network.connected == ([(PUBLIC, 443)] if allowed else [])


async def test_a_redirect_away_from_the_listed_hosts_is_refused(authority: trustme.CA, trust: ssl.SSLContext) -> None:
    answer = response(b"", 302, "Location: https://other.example/")
    async with serving(sends(answer), tls_for(authority, "good.example")) as good:
        network = Network({"good.example": [[PUBLIC]], "other.example": [[PUBLIC]]}, {PUBLIC: good.port})
        fetcher = Fetcher(FetchLimits(hosts=("good.example",)), network.resolve, network.connect, trust)
        error = await refusal(fetcher, "https://good.example/")
        assert "redirects" in error.problems[0].detail
        assert (network.asked, good.connections) == (["good.example"], 1)


@given(st.text() | st.text("htps:/.@#?[]%\\0x7f1:é。１", max_size=40).map("https://".__add__))
def test_any_text_is_an_address_of_one_reading_or_is_refused(text: str) -> None:
    try:
        url = parse_url(text)
    except UrlRefused:
        return
    assert parse_url(str(url)) == url
    assert str(url).isascii()
    assert not set(url.host) - set("abcdefghijklmnopqrstuvwxyz0123456789-.:")


def test_names_in_other_scripts_are_asked_for_in_ascii() -> None:
    url = parse_url("https://Bücher.example/straße.jpg?größe=1#oben")
    assert (url.host, url.target) == ("xn--bcher-kva.example", "/stra%C3%9Fe.jpg?gr%C3%B6%C3%9Fe=1")
    assert parse_url("https://[2600:0:0:1::2]?a").authority == "[2600:0:0:1::2]"
    assert (
        parse_url("https://Good.Example:443/a/../b%2Fc?d=https://10.0.0.1/").target == "/a/../b%2Fc?d=https://10.0.0.1/"
    )
