"""Where messages may go: public addresses, and those the administrator named."""

import ipaddress
import socket
from collections.abc import Sequence
from typing import Any

import pytest

from monitoring.courier.guard import AddressRefused, Allowed, checked, is_public

PRIVATE = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.3.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "0.0.0.0",  # noqa: S104 - refused, not bound to
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fd00:ec2::254",
    "fe80::1",
    "::ffff:10.0.0.1",
    "::10.0.0.1",
    "2002:a00:1::",
    "64:ff9b::a00:1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_is_refused(address: str) -> None:
    place = ipaddress.ip_address(address)
    assert not is_public(place)
    assert not Allowed().lets("example.org", place, 443)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_what_is_public_is_let_through(address: str) -> None:
    assert Allowed().lets("example.org", ipaddress.ip_address(address), 443)


@pytest.mark.parametrize(
    ("words", "host", "address", "port", "is_let"),
    [
        (("mail.plant",), "mail.plant", "10.0.0.5", 587, True),
        (("mail.plant",), "MAIL.plant.", "10.0.0.5", 587, True),
        (("mail.plant:587",), "mail.plant", "10.0.0.5", 25, False),
        (("mail.plant",), "other.plant", "10.0.0.5", 587, False),
        (("mail.plant",), "mail.plant", "169.254.169.254", 80, False),
        (("10.0.0.0/8",), "x", "10.0.0.5", 80, True),
        (("10.0.0.5:8080",), "x", "10.0.0.5", 80, False),
        (("[fd00::1]:443",), "x", "fd00::1", 443, True),
        (("169.254.169.254",), "x", "169.254.169.254", 80, True),
        (("",), "x", "10.0.0.5", 80, False),
    ],
)
def test_the_administrator_lets_in_hosts_networks_and_ports(
    words: tuple[str, ...], host: str, address: str, port: int, *, is_let: bool
) -> None:
    assert Allowed(words).lets(host, ipaddress.ip_address(address), port) is is_let


def test_a_name_that_leads_to_both_is_connected_to_its_public_address_alone() -> None:
    def resolve(host: str, port: int, *_args: Any) -> Sequence[tuple[Any, ...]]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("10.0.0.1", "8.8.8.8")
        ]

    found = checked(resolve, Allowed())("example.org", 443)
    assert [item[4][0] for item in found] == ["8.8.8.8"]


def test_a_name_that_changes_to_a_private_address_is_refused_the_next_time() -> None:
    answers = iter(["8.8.8.8", "127.0.0.1"])

    def resolve(host: str, port: int, *_args: Any) -> Sequence[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    look_up = checked(resolve, Allowed())
    look_up("rebinding.example", 443)
    with pytest.raises(AddressRefused, match="MILLWRIGHT_ALERT_ALLOW_HOSTS"):
        look_up("rebinding.example", 443)
