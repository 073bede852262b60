"""A fake network: what a name resolves to, from one look-up to the next, and which addresses can be reached."""

import errno
import socket
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

import pytest


class Resolver:
    """Replaces the system's resolver for some names; every look-up gives the next addresses.

    Args:
        patch: Puts it there, and takes it away again.
        answers: For each name its addresses at the first look-up, at the second, and so on; the last ones stay.
    """

    def __init__(self, patch: pytest.MonkeyPatch, answers: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self.asked: list[str] = []
        self._answers = answers
        self._real = socket.getaddrinfo
        patch.setattr(socket, "getaddrinfo", self._look_up)

    def _look_up(self, host: Any, port: Any, *rest: Any, **options: Any) -> list[Any]:
        if host not in self._answers:
            return self._real(host, port, *rest, **options)
        answers = self._answers[host]
        addresses = answers[min(self.asked.count(host), len(answers) - 1)]
        self.asked.append(host)
        return [each for address in addresses for each in self._real(address, port, *rest, **options)]


class Unrouted:
    """Refuses connections to other machines, like a machine without a network, so that tests send nothing.

    Args:
        patch: Puts it in the place of the system's `connect`, and takes it away again.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.wanted: list[str] = []
        self._real = socket.socket.connect
        refusing = self

        def connect(self: socket.socket, address: Any) -> None:
            refusing._connect(self, address)

        patch.setattr(socket.socket, "connect", connect)

    def _connect(self, connecting: socket.socket, address: Any) -> None:
        if connecting.family in (socket.AF_INET, socket.AF_INET6) and not ip_address(address[0]).is_loopback:
            self.wanted.append(address[0])
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        self._real(connecting, address)
