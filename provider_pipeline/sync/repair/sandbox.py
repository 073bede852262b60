"""Tries a rule from outside in a separate process (`judge_process.py`), so that it cannot crash a worker.

The limits in `rules` should prevent a crash; if they fail, the rule is rejected, and its task does not crash the next
worker either.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from threading import BoundedSemaphore, Timer
from typing import IO, Any, Final

from provider_pipeline import catalog
from provider_pipeline.errors import CatalogError, RuleJudgingError
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.sync.plan import StoredResponse
from provider_pipeline.sync.repair.candidates import StoredProviderData
from provider_pipeline.sync.repair.judge_process import MEMORY, OUT_OF_MEMORY, read_json, write_bytes, write_json
from provider_pipeline.sync.repair.shadow import Evidence, ShadowRun

_DEADLINE_SECONDS: Final = 600
"""Wall time limit; shorter than a worker's lease."""
_SLOTS: Final = BoundedSemaphore(2)
"""Limits concurrent processes, each of which may take `MEMORY`."""
_PASSED_VARIABLES: Final = ("LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")
_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def evaluate_in_sandbox(
    data: StoredProviderData,
    candidate: ExtractionRule,
    active: ExtractionRule | None,
    response: StoredResponse,
    *,
    doubt: str | None = None,
    between: Callable[[], None] = lambda: None,
) -> Evidence:
    """`evaluate_candidate` in a sandbox process; `between` is called before each response.

    Raises:
        RuleJudgingError: The rule crashed the process, or exceeded a limit.
        CatalogError: The process could not be run.
    """
    return Evidence.from_json(_run("evidence", data, candidate, active, response, doubt, between))


def shadow_in_sandbox(
    data: StoredProviderData, candidate: ExtractionRule, active: ExtractionRule, response: StoredResponse
) -> ShadowRun:
    """`run_shadow` in a sandbox process.

    Raises:
        RuleJudgingError: The rule crashed the process, or exceeded a limit.
        CatalogError: The process could not be run.
    """
    return ShadowRun.from_json(_run("shadow", data, candidate, active, response))


def _run(
    kind: str,
    data: StoredProviderData,
    candidate: ExtractionRule,
    active: ExtractionRule | None,
    response: StoredResponse,
    doubt: str | None = None,
    between: Callable[[], None] = lambda: None,
) -> Mapping[str, Any]:
    task = {
        "kind": kind,
        "candidate": candidate.to_stored()._asdict(),
        "active": None if active is None else active.to_stored()._asdict(),
        "patterns": catalog.sync_state.active_patterns(data.session).to_json(),
        "response": response.id,
        "doubt": doubt,
    }
    with _SLOTS:
        result = _Sandbox(data, task, between).run()
    if "failed" in result:
        failed = result["failed"]
        what = f"takes more than {MEMORY >> 20} MiB of memory" if failed == OUT_OF_MEMORY else f"failed: {failed}"
        raise RuleJudgingError(f"judging it {what}")
    found: Mapping[str, Any] = result[kind]
    return found


class _Sandbox:
    """One process, and the answers to its requests: known models, and pages one at a time, through pipes."""

    def __init__(self, data: StoredProviderData, task: Mapping[str, Any], between: Callable[[], None]) -> None:
        self._data = data
        self._task = task
        self._between = between
        self._pages: Iterator[catalog.raw_responses.StoredPage] = iter(())
        self._began = False

    def run(self) -> Mapping[str, Any]:
        """The process's result.

        Raises:
            RuleJudgingError: The rule crashed it.
            CatalogError: It could not be run.
        """
        environment = {name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ}
        process = subprocess.Popen(
            [sys.executable, "-m", "provider_pipeline.sync.repair.judge_process"],
            env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C at the terminal goes to the worker only
        )
        timer = Timer(_DEADLINE_SECONDS, process.kill)
        timer.start()
        try:
            if process.stdin is None or process.stdout is None:
                raise AssertionError("both are pipes")
            try:
                return self._answer(process.stdout, process.stdin)
            except (EOFError, BrokenPipeError, json.JSONDecodeError):
                raise self._died(process.wait()) from None
        finally:
            timer.cancel()
            process.kill()
            process.communicate()

    def _answer(self, requests: IO[bytes], answers: IO[bytes]) -> Mapping[str, Any]:
        """Answers requests until the process sends its result."""
        while True:
            request: Mapping[str, Any] = read_json(requests)
            match request:
                case {"ask": "task"}:
                    self._began = True
                    write_json(answers, self._task)
                case {"ask": "known_ids"}:
                    write_json(answers, sorted(self._data.known_ids()))
                case {"ask": "known_rows", "ids": ids}:
                    write_json(answers, self._data.known_rows(ids))
                case {"ask": "overrides"}:
                    write_json(answers, self._data.overrides().document())
                case {"ask": "stored_responses"}:
                    write_json(answers, [each.id for each in self._data.stored_responses()])
                case {"ask": "sample_pages"}:
                    self._open(self._data.sample_id)
                    write_json(answers, None)
                case {"ask": "response_pages", "id": raw_response_id}:
                    self._between()
                    self._open(raw_response_id)
                    write_json(answers, None)
                case {"ask": "page"}:
                    page = next(self._pages, None)
                    write_json(answers, None if page is None else page.endpoint)
                    if page is not None:
                        write_bytes(answers, page.content)
                case _:
                    return request

    def _open(self, raw_response_id: int | None) -> None:
        self._pages = (
            iter(())
            if raw_response_id is None
            else catalog.raw_responses.stored_pages(self._data.session, raw_response_id)
        )

    def _died(self, code: int) -> RuleJudgingError | CatalogError:
        if not self._began or -code in _STOP_SIGNALS:
            return CatalogError(
                f"the process that judges proposed rules could not be run (exit code {code})",
                hint="see whether this machine has memory left; the task is tried again",
                transient=True,
            )
        if -code == signal.SIGXCPU:
            return RuleJudgingError("judging it takes more processor time than a rule may")
        return RuleJudgingError(f"judging it ended its process (exit code {code})")
