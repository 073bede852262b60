"""Messages between this process and the one in which a rule is judged: JSON or raw bytes, each with its length.

Here: writing and reading one. Not here: what they say (`apart.py` answers, `judge_process.py` asks).
"""

import json
from typing import IO, Any, Final

MAX_MESSAGE: Final = 64 << 20
"""Bytes of a message of JSON; pages may be larger."""
_LENGTH: Final = 8


def write_bytes(stream: IO[bytes], content: bytes) -> None:
    """Send some bytes."""
    stream.write(len(content).to_bytes(_LENGTH, "big"))
    stream.write(content)
    stream.flush()


def read_length(stream: IO[bytes]) -> int:
    """How many bytes come next.

    Raises:
        EOFError: The other side has ended.
    """
    return int.from_bytes(_exactly(stream, _LENGTH), "big")


def read_bytes(stream: IO[bytes], length: int) -> bytes:
    """So many bytes.

    Raises:
        EOFError: The other side has ended before they came.
    """
    return _exactly(stream, length)


def write_json(stream: IO[bytes], value: Any) -> None:
    """Send a value; numbers of the database's own kind become floats."""
    write_bytes(stream, json.dumps(value, default=float).encode("ascii"))


def read_json(stream: IO[bytes], most: int = MAX_MESSAGE) -> Any:
    """The next value.

    Raises:
        EOFError: The other side has ended, or sends more than `most` bytes.
    """
    length = read_length(stream)
    if length > most:
        raise EOFError(f"a message of {length} bytes")
    return json.loads(_exactly(stream, length))


def _exactly(stream: IO[bytes], length: int) -> bytes:
    content = stream.read(length)
    if len(content) < length:
        raise EOFError("the other process has ended")
    return content
