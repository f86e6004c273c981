"""Which addresses may be talked to: public ones, and those that the administrator allows.

The check sits in the only place that turns names into addresses, and its answer is what is
connected to: a name that resolves to another address the next moment is checked again.
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Public to look at, but answered by the machine's own cloud: Azure's wire server.
OF_CLOUDS = frozenset({ipaddress.ip_address("168.63.129.16")})
#: Special by IANA's registries, and taken for public by some versions of Python.
SPECIAL = tuple(
    ipaddress.ip_network(word)
    for word in ("192.0.0.0/24", "192.88.99.0/24", "::/96", "fec0::/10", "64:ff9b:1::/48")
)
#: IPv6 addresses that carry an IPv4 address in their last four bytes: NAT64.
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefused(OSError):
    """The host leads to where messages must not go."""


@dataclass(frozen=True)
class Allowed:
    """What the administrator allows besides public addresses.

    Attributes
    ----------
    words
        Each a host name, an address or a network, with ``:port`` at the end to allow one port only.
        A host name allows its private addresses, yet never those of the link or of a cloud's
        metadata: these take an address or network of their own.
    """

    words: tuple[str, ...] = ()

    def lets(self, host: str, address: Address, port: int) -> bool:
        """Whether a connection may be made."""
        named = any(self._names(word, host, port) for word in self.words)
        if any(self._holds(word, address, port) for word in self.words):
            return True
        if named:
            return not _is_of_link_or_cloud(address)
        return is_public(address)

    def _names(self, word: str, host: str, port: int) -> bool:
        name, wanted = _split(word)
        return name.lower().rstrip(".") == host.lower().rstrip(".") and wanted in {None, port}

    def _holds(self, word: str, address: Address, port: int) -> bool:
        name, wanted = _split(word)
        try:
            network = ipaddress.ip_network(name, strict=False)
        except ValueError:
            return False
        return address in network and wanted in {None, port}


def _split(word: str) -> tuple[str, int | None]:
    """Return a word without its port, and the port."""
    if word.startswith("["):
        host, _bracket, rest = word[1:].partition("]")
        return host, int(rest[1:]) if rest[1:].isdigit() else None
    host, colon, port = word.rpartition(":")
    if colon and ":" not in host and port.isdigit():
        return host, int(port)
    return word, None


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet, an embedded IPv4 address included."""
    inner = _embedded(address)
    if inner is not None:
        return is_public(inner)
    if address.is_multicast or address in OF_CLOUDS:
        return False
    return address.is_global and not any(address in network for network in SPECIAL)


def _is_of_link_or_cloud(address: Address) -> bool:
    inner = _embedded(address)
    if inner is not None:
        return _is_of_link_or_cloud(inner)
    return address.is_link_local or address.is_multicast or address in OF_CLOUDS


def _embedded(address: Address) -> Address | None:
    """Return the IPv4 address that an IPv6 address stands for."""
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    if address in NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    if address.teredo is not None:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour


Resolve = Callable[..., Sequence[tuple[Any, ...]]]


def install(allowed: Allowed) -> None:
    """Have every look-up of this process checked; for a process that does nothing else."""
    socket.getaddrinfo = checked(socket.getaddrinfo, allowed)  # type: ignore[assignment]  # same call


def checked(resolve: Resolve, allowed: Allowed) -> Resolve:
    """Return a look-up that gives only addresses that may be connected to.

    Raises
    ------
    AddressRefused
        When the host has none.
    """

    def look_up(host: Any, port: Any, *args: Any, **kwargs: Any) -> Sequence[tuple[Any, ...]]:
        name = host.decode() if isinstance(host, bytes) else str(host)
        found = resolve(host, port, *args, **kwargs)
        good = [item for item in found if allowed.lets(name, *_place(item[4]))]
        if good:
            return good
        raise AddressRefused(
            f"{name} leads to a private or reserved address; an administrator can allow the host "
            "with MILLWRIGHT_ALERT_ALLOW_HOSTS"
        )

    return look_up


def _place(place: Sequence[Any]) -> tuple[Address, int]:
    return ipaddress.ip_address(str(place[0]).partition("%")[0]), int(place[1])
