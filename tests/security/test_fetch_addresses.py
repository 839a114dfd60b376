"""Which IP addresses may be named: laws over all of them."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from service.fetching.addresses import is_public

OURS_4 = st.sampled_from(
    ["10.1.2.3", "127.0.0.1", "169.254.169.254", "172.31.255.255", "192.168.0.1", "100.64.0.1", "0.0.0.0", "224.0.0.1"]
).map(IPv4Address)
ANY_4 = st.ip_addresses(v=4) | st.integers(0, 2**32 - 1).map(IPv4Address) | OURS_4
ANY_6 = st.ip_addresses(v=6) | st.integers(0, 2**128 - 1).map(IPv6Address)


def within(network: str, low: int) -> IPv6Address:
    return IPv6Address(int(IPv6Network(network).network_address) | low)


FORMS = {
    "mapped": lambda four: within("::ffff:0:0/96", four),
    "compatible": lambda four: within("::/96", four),
    "translated": lambda four: within("::ffff:0:0:0/96", four),
    "NAT64": lambda four: within("64:ff9b::/96", four),
    "NAT64, local": lambda four: within("64:ff9b:1::/48", four),
    "6to4": lambda four: within("2002::/16", four << 80),
    "6to4, with a host": lambda four: within("2002::/16", four << 80 | 1),
    "Teredo's server": lambda four: within("2001::/32", four << 64),
    "Teredo's client": lambda four: within("2001::/32", four ^ 0xFFFFFFFF),
    "ISATAP": lambda four: within("2600:1234::/64", 0x5EFE << 32 | four),
    "ISATAP, universal": lambda four: within("2600:1234::/64", 0x02005EFE << 32 | four),
    "ISATAP, link-local": lambda four: within("fe80::/64", 0x5EFE << 32 | four),
}


@given(ANY_4 | ANY_6)
def test_what_python_does_not_call_global_is_not_public(address: IPv4Address | IPv6Address) -> None:
    kinds = ("private", "loopback", "link_local", "multicast", "unspecified", "reserved")
    if not address.is_global or any(getattr(address, f"is_{kind}") for kind in kinds):
        in_nat64 = isinstance(address, IPv6Address) and address in IPv6Network(
            "64:ff9b::/96"
        )  # reserved by its 0000::/8
        assert in_nat64 or not is_public(address)


@given(ANY_4, st.sampled_from(sorted(FORMS)))
@example(IPv4Address("169.254.169.254"), "NAT64")
def test_no_form_of_an_ipv4_address_leads_where_it_may_not(four: IPv4Address, form: str) -> None:
    if is_public(FORMS[form](int(four))):
        assert is_public(four)
        assert form == "NAT64"


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_nat64_leads_where_its_address_does(four: IPv4Address) -> None:
    assert is_public(FORMS["NAT64"](int(four))) == is_public(four)


@given(ANY_6, st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True))
def test_an_address_of_one_link_is_not_public(address: IPv6Address, scope: str) -> None:
    assert not is_public(IPv6Address(f"{address}%{scope}"))


@given(st.integers(1 << 24, 223 << 24).map(IPv4Address))
def test_most_of_ipv4_is_public(address: IPv4Address) -> None:
    """Not by refusing everything are the others refused."""
    assume(address.packed[0] not in (10, 100, 127, 168, 169, 172, 192, 198, 203))
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "93.184.215.14", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "192.167.0.1",
     "192.169.0.1", "198.17.0.1", "198.20.0.1", "223.255.255.255", "168.63.129.15", "169.253.0.1", "2600::1",
     "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "2a00:1450:4001:81b::2004", "2001:4860:4860::8888", "2001:200::1",
     "64:ff9b::8.8.8.8"],
)  # fmt: skip
def test_public_addresses_are(address: str) -> None:
    assert is_public(ip_address(address))
