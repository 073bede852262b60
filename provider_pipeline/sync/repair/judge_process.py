"""The sandboxed process that tries one rule from outside: `python -m provider_pipeline.sync.repair.judge_process`.

It has no database, network or secret: `sandbox.py` answers its requests on standard output through standard input.
"""

import json
import resource
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Final

from provider_pipeline.rules.capability_rules import PatternSet
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.overrides import OverrideSet
from provider_pipeline.sync.repair.shadow import Row, evaluate_candidate, run_shadow

MEMORY: Final = 512 << 20
"""Limit in bytes, plus `_MEMORY_PER_BYTE`."""
_MEMORY_PER_BYTE: Final = 8
"""Additional bytes for each byte of the largest page beyond `_LARGE_PAGE`, for the parsed page."""
_LARGE_PAGE: Final = 16 << 20
SECONDS: Final = 12
"""Limit of processor time, plus one second for each `_BYTES_PER_SECOND` read."""
_BYTES_PER_SECOND: Final = 4 << 20

OUT_OF_MEMORY: Final = "memory"

_MAX_MESSAGE: Final = 64 << 20
"""Bytes of a JSON message; pages may be larger."""
_LENGTH_BYTES: Final = 8


def write_bytes(stream: IO[bytes], content: bytes) -> None:
    """Sends a message, preceded by its length."""
    stream.write(len(content).to_bytes(_LENGTH_BYTES, "big"))
    stream.write(content)
    stream.flush()


def write_json(stream: IO[bytes], value: Any) -> None:
    """Sends a value; Decimals become floats."""
    write_bytes(stream, json.dumps(value, default=float).encode("ascii"))


def read_json(stream: IO[bytes], max_bytes: int = _MAX_MESSAGE) -> Any:
    """Receives a value.

    Raises:
        EOFError: The other side has ended, or the message is too long.
    """
    length = _read_length(stream)
    if length > max_bytes:
        raise EOFError(f"a message of {length} bytes")
    return json.loads(_read_exactly(stream, length))


def _read_length(stream: IO[bytes]) -> int:
    return int.from_bytes(_read_exactly(stream, _LENGTH_BYTES), "big")


def _read_exactly(stream: IO[bytes], length: int) -> bytes:
    content = stream.read(length)
    if len(content) < length:
        raise EOFError("the other process has ended")
    return content


@dataclass
class RemoteProviderData:
    """A `shadow.ProviderData` that requests everything from the parent process; one response is read at a time."""

    requests: IO[bytes] = field(repr=False)
    answers: IO[bytes] = field(repr=False)
    read: int = 0
    largest: int = 0

    def ask(self, what: str, **details: Any) -> Any:
        """The answer to a request."""
        write_json(self.requests, {"ask": what, **details})
        return read_json(self.answers, sys.maxsize)

    def pages(self, what: str, **details: Any) -> Iterator[tuple[int, Any]]:
        """The pages of a response, parsed one by one."""
        self.ask(what, **details)
        while (endpoint := self.ask("page")) is not None:
            length = _read_length(self.answers)
            self.read += length
            self.largest = max(self.largest, length)
            self.limit_resources()
            yield endpoint, json.loads(_read_exactly(self.answers, length))

    def limit_resources(self) -> None:
        """Limits memory and processor time by the data read so far."""
        memory = MEMORY + _MEMORY_PER_BYTE * max(0, self.largest - _LARGE_PAGE)
        for kind, limit in (
            (resource.RLIMIT_DATA, memory),
            (resource.RLIMIT_CPU, SECONDS + self.read // _BYTES_PER_SECOND),
        ):
            _, hard = resource.getrlimit(kind)
            resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))

    def known_ids(self) -> set[str]:
        """See `ProviderData`."""
        return set(self.ask("known_ids"))

    def known_rows(self, ids: Sequence[str]) -> Mapping[str, Row]:
        """See `ProviderData`."""
        found: Mapping[str, Row] = self.ask("known_rows", ids=list(ids))
        return found

    def overrides(self) -> OverrideSet:
        """See `ProviderData`."""
        return OverrideSet.parse(self.ask("overrides"))

    def sample_pages(self) -> Iterable[tuple[int, Any]]:
        """See `ProviderData`."""
        return self.pages("sample_pages")

    def stored_responses(self) -> list["RemoteResponse"]:
        """See `ProviderData`."""
        return [RemoteResponse(self, raw_response_id) for raw_response_id in self.ask("stored_responses")]


@dataclass(frozen=True)
class RemoteResponse:
    """A stored response, requested again each time it is iterated over."""

    data: RemoteProviderData = field(repr=False)
    id: int

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        return self.data.pages("response_pages", id=self.id)


def main() -> None:
    """Requests the task and sends its result; ends silently if the parent process is gone."""
    data = RemoteProviderData(sys.stdout.buffer, sys.stdin.buffer)
    try:
        data.limit_resources()
        result = _result(data)
    except MemoryError:
        result = {"failed": OUT_OF_MEMORY}
    except EOFError:
        return
    except Exception as error:  # noqa: BLE001  # a defect that a rule triggers is reported, and ends this process only
        result = {"failed": f"{type(error).__name__}: {str(error)[:200]}"}
    write_json(data.requests, result)


def _result(data: RemoteProviderData) -> dict[str, Any]:
    task = data.ask("task")
    patterns = PatternSet.from_json(task["patterns"])
    candidate = ExtractionRule.parse(task["candidate"], patterns=patterns)
    active = None if task["active"] is None else ExtractionRule.parse(task["active"], patterns=patterns)
    response = RemoteResponse(data, task["response"])
    if task["kind"] == "shadow":
        return {"shadow": run_shadow(active, candidate, response, raw_response_id=response.id).to_json()}
    return {"evidence": evaluate_candidate(data, candidate, active, response, doubt=task["doubt"]).to_json()}


if __name__ == "__main__":
    main()
