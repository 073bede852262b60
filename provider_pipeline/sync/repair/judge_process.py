"""A process that tries one rule from outside: `python -m provider_pipeline.sync.repair.judge_process`.

It asks for what it needs on its standard output and reads the answers from its standard input (`sandbox.py`), each
message with its length in front: no database, network, secret or environment. It limits its own memory and processor
time by the amount of data it reads.
"""

import json
import resource
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Final

from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.sync.repair.shadow import evaluate_candidate, run_shadow

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


MEMORY: Final = 512 << 20
"""Bytes that it may take, besides `MEMORY_PER_BYTE`."""
MEMORY_PER_BYTE: Final = 8
"""Bytes that it may take besides for each byte of the largest page beyond `LARGE_PAGE`, once that is parsed."""
LARGE_PAGE: Final = 16 << 20
SECONDS: Final = 12
"""Seconds of processor time that it may take, besides one for each `BYTES_PER_SECOND` it reads."""
BYTES_PER_SECOND: Final = 4 << 20

OUT_OF_MEMORY: Final = "memory"

Row = Mapping[str, Any]


@dataclass
class Asked:
    """What is stored, asked for through pipes. One response is read at a time.

    Attributes:
        requests: Where it is asked for.
        answers: Where it comes.
    """

    requests: IO[bytes] = field(repr=False)
    answers: IO[bytes] = field(repr=False)
    read: int = 0
    largest: int = 0

    def ask(self, what: str, **details: Any) -> Any:
        """The answer to a question."""
        write_json(self.requests, {"ask": what, **details})
        return read_json(self.answers, sys.maxsize)

    def pages(self, what: str, **details: Any) -> Iterator[tuple[int, Any]]:
        """The pages of a response, parsed one by one."""
        self.ask(what, **details)
        while (endpoint := self.ask("page")) is not None:
            length = read_length(self.answers)
            self.read += length
            self.largest = max(self.largest, length)
            self.bound()
            yield endpoint, json.loads(read_bytes(self.answers, length))

    def bound(self) -> None:
        """Bounds memory and processor time by what was read so far."""
        memory = MEMORY + MEMORY_PER_BYTE * max(0, self.largest - LARGE_PAGE)
        for kind, most in (
            (resource.RLIMIT_DATA, memory),
            (resource.RLIMIT_CPU, SECONDS + self.read // BYTES_PER_SECOND),
        ):
            _, hard = resource.getrlimit(kind)
            resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))

    def known_ids(self) -> set[str]:
        """As in `Material`."""
        return set(self.ask("known_ids"))

    def known_rows(self, ids: Sequence[str]) -> Mapping[str, Row]:
        """As in `Material`."""
        found: Mapping[str, Row] = self.ask("known_rows", ids=list(ids))
        return found

    def overrides(self) -> Mapping[str, Row]:
        """As in `Material`."""
        found: Mapping[str, Row] = self.ask("overrides")
        return found

    def sample_pages(self) -> Iterable[tuple[int, Any]]:
        """As in `Material`."""
        return self.pages("sample_pages")

    def stored_responses(self) -> list["AskedResponse"]:
        """As in `Material`."""
        return [AskedResponse(self, raw_response_id) for raw_response_id in self.ask("stored_responses")]


@dataclass(frozen=True)
class AskedResponse:
    """A stored response, asked for each time it is read.

    Attributes:
        asked: Where it is asked for.
        id: The raw response.
    """

    asked: Asked = field(repr=False)
    id: int

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        return self.asked.pages("response_pages", id=self.id)


def main() -> None:
    """Does what it is asked to, and says what came of it; ends without a word where it cannot even do that."""
    asked = Asked(sys.stdout.buffer, sys.stdin.buffer)
    try:
        asked.bound()
        verdict = _verdict(asked)
    except MemoryError:
        verdict = {"failed": OUT_OF_MEMORY}
    except EOFError:
        return  # whoever asked for it is gone
    except Exception as error:  # noqa: BLE001  # a defect that a rule leads to is told, and ends this process only
        verdict = {"failed": f"{type(error).__name__}: {str(error)[:200]}"}
    write_json(asked.requests, verdict)


def _verdict(asked: Asked) -> dict[str, Any]:
    task = asked.ask("task")
    candidate = ExtractionRule.parse(task["candidate"])
    active = None if task["active"] is None else ExtractionRule.parse(task["active"])
    response = AskedResponse(asked, task["response"])
    if task["kind"] == "shadow":
        return {"shadow": run_shadow(active, candidate, response, raw_response_id=response.id).to_json()}
    return {"evidence": evaluate_candidate(asked, candidate, active, response, doubt=task["doubt"]).to_json()}


if __name__ == "__main__":
    main()
