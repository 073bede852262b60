"""Which certificates a TLS connection trusts.

Here: contexts with their certificates loaded, lent to one connection after another. Not here: where the certificates
are, which requests and its environment variables decide, and the connections (`connections`). The concept: loading the
usual bundle costs more than all the rest of a request, so it is loaded again only when it has changed; and a context
is in one listing's hands at a time, since urllib3 sets it up anew for each connection.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from urllib3.exceptions import SSLError
from urllib3.util.ssl_ import create_urllib3_context


@dataclass(frozen=True)
class Bundle:
    """Trusted certificates as they are now: a file or a folder of them, and when it was written."""

    file: str | None
    folder: str | None
    written: tuple[int, ...]

    @classmethod
    def at(cls, file: str | None, folder: str | None) -> Self:
        """What is there at this moment.

        Raises:
            SSLError: Nothing is.
        """
        try:
            found = [Path(place).stat() for place in (file, folder) if place is not None]
        except OSError as error:
            raise SSLError(error) from error
        return cls(file, folder, tuple(number for each in found for number in (each.st_mtime_ns, each.st_size)))

    def context(self) -> ssl.SSLContext:
        """A new context that trusts these.

        Raises:
            SSLError: They cannot be read.
        """
        context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
        try:
            context.load_verify_locations(self.file, self.folder)
        except OSError as error:
            raise SSLError(error) from error
        return context


class ContextShelf:
    """Contexts that nobody uses just now; thread-safe."""

    def __init__(self) -> None:
        self._idle: list[tuple[Bundle, ssl.SSLContext]] = []

    def take(self, bundle: Bundle) -> ssl.SSLContext:
        """A context that trusts a bundle; those for what the bundle used to be are let go of.

        Raises:
            SSLError: There is none, and none can be made.
        """
        while True:
            try:
                kept, context = self._idle.pop()
            except IndexError:
                return bundle.context()
            if kept == bundle:
                return context

    def put(self, bundle: Bundle, context: ssl.SSLContext) -> None:
        """Gives a context back."""
        self._idle.append((bundle, context))


SHELF: Final = ContextShelf()
"""The process's own."""


class Trust:
    """The contexts of one listing.

    Args:
        shelf: Where they are from, and go back to.
    """

    def __init__(self, shelf: ContextShelf = SHELF) -> None:
        self._shelf = shelf
        self._lent: dict[Bundle, ssl.SSLContext] = {}

    def context(self, file: str | None, folder: str | None) -> ssl.SSLContext:
        """What trusts a file's or a folder's certificates.

        Raises:
            SSLError: They cannot be read.
        """
        bundle = Bundle.at(file, folder)
        if bundle not in self._lent:
            self._lent[bundle] = self._shelf.take(bundle)
        return self._lent[bundle]

    def close(self) -> None:
        """Gives all back; no connection may use one any more."""
        for bundle, context in self._lent.items():
            self._shelf.put(bundle, context)
        self._lent.clear()
