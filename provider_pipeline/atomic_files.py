"""Files that are complete or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

from provider_pipeline.errors import ConfigurationError


@contextmanager
def written_aside(path: Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """A file beside `path` that takes its place when the block ends without an error.

    Args:
        path: Its place.
        private: Only its owner may read it; otherwise the umask decides.

    Raises:
        ConfigurationError: Its folder cannot be written to.
    """
    try:
        aside = NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False)  # noqa: SIM115
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror}", hint="name a file in a folder that exists"
        ) from error
    try:
        with aside:
            yield aside  # type: ignore[misc]
            aside.flush()
            os.fsync(aside.fileno())
        if not private:
            Path(aside.name).chmod(0o666 & ~_umask())
        Path(aside.name).replace(path)
    except BaseException:
        Path(aside.name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current
