"""Which addresses a merchant's URL may lead to.

An own table rather than ``ipaddress.is_global``: what that property answers for 192.0.0.192, 100.64.0.1,
64:ff9b::a9fe:a9fe or 2002:a9fe:a9fe::1 has changed between Python patch releases.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from worker.errors import BadInput

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# IANA IPv4 Special-Purpose Address Registry (everything not globally reachable, and the deprecated 6to4 relays),
# then multicast and class E, and the one public address that is none: inside Azure it is the host of a machine.
_NOT_PUBLIC_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32",
    )
)  # fmt: skip

# In IPv6 only 2000::/3 is global unicast; inside it these are not: protocol assignments with Teredo and ORCHID,
# documentation, 6to4 (a tunnel to whatever IPv4 address it names).
_GLOBAL_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))

# RFC 6052: behind DNS64 every IPv4-only name resolves into this prefix, so the IPv4 address inside decides.
_NAT64 = IPv6Network("64:ff9b::/96")


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks from CIDR texts. Raises ``BadInput`` that names the setting."""
    networks: list[Network] = []
    for text in texts:
        try:
            networks.append(ip_network(text.strip(), strict=False))
        except ValueError:
            raise BadInput(
                f"STORE_ALLOWED_NETWORKS holds {text.strip()!r}, which is not a network.",
                action="Give CIDRs such as 127.0.0.0/8, separated by commas.",
            ) from None
    return tuple(networks)


def parse_address(text: str) -> Address:
    """The address that a connection would really reach: v4-mapped and NAT64 forms become their IPv4 address."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def may_reach(address: Address, allowed: Iterable[Network]) -> bool:
    """Whether a merchant's URL may lead there: it is public, or the operator allows its network.

    Who allows 127.0.0.1 means this machine, and ``localhost`` resolves to ::1 as well: that one comes along.
    """
    meant = IPv4Address("127.0.0.1") if address == IPv6Address("::1") else address
    if any(address in network or meant in network for network in allowed):
        return True
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return address in _GLOBAL_6 and not any(address in network for network in _NOT_PUBLIC_6)
