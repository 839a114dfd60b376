"""Which IP addresses strangers may name: public unicast ones, in no form that leads to another address."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

# `ipaddress` knows most of these, but which ones depends on the version of Python.
_NOT_PUBLIC_4 = (
    IPv4Network("0.0.0.0/8"),  # this network; unspecified
    IPv4Network("10.0.0.0/8"),  # private
    IPv4Network("100.64.0.0/10"),  # of carriers; a cloud's metadata at 100.100.100.200
    IPv4Network("127.0.0.0/8"),  # loopback
    IPv4Network("168.63.129.16/32"),  # a cloud's platform, on an address that is public elsewhere
    IPv4Network("169.254.0.0/16"),  # link-local; metadata of most clouds
    IPv4Network("172.16.0.0/12"),  # private
    IPv4Network("192.0.0.0/24"),  # of protocols; a cloud's metadata at 192.0.0.192
    IPv4Network("192.0.2.0/24"),  # documentation
    IPv4Network("192.88.99.0/24"),  # relays of 6to4
    IPv4Network("192.168.0.0/16"),  # private
    IPv4Network("198.18.0.0/15"),  # benchmarks
    IPv4Network("198.51.100.0/24"),  # documentation
    IPv4Network("203.0.113.0/24"),  # documentation
    IPv4Network("224.0.0.0/4"),  # multicast
    IPv4Network("240.0.0.0/4"),  # reserved; broadcast
)
# All that is given out. Outside lie loopback, link- and site-local, unique local, multicast, and most of the forms that
# hold an IPv4 address: mapped, compatible, translated.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = (
    IPv6Network("2001::/23"),  # of protocols: Teredo, benchmarks, ORCHID
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("3fff::/20"),  # documentation
)
_NAT64 = IPv6Network("64:ff9b::/96")  # where a network has IPv6 alone, all of IPv4 is seen through it
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # before an IPv4 address in the lower half


def is_public(address: Address) -> bool:
    """Whether it is a globally routable unicast address. Tunnels to IPv4 are not, whatever they lead to; NAT64's
    common prefix counts as the IPv4 address behind it."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _NOT_PUBLIC_4)
    if address.scope_id is not None:
        return False
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return False
    known = address in _GLOBAL_UNICAST and address.is_global
    return known and not any(address in network for network in _NOT_PUBLIC_6)
