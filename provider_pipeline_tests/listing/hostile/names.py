"""A name server of the tests' own.

Here: what a host's name stands for, from one look-up to the next. Not here: which names there are.
"""

import socket
from collections.abc import Mapping, Sequence
from typing import Any

import pytest


class Resolver:
    """Takes the place of the system's resolver for some names; every look-up gives the next addresses.

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
