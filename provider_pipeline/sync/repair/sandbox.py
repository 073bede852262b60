"""Trying a rule that comes from outside, in a process of its own that may die of it.

Here: starting the process, answering what it asks for, and telling a rule that killed it from a process that could not
be run. Not here: the process itself (`judge_process.py`), and what becomes of the rule (`repair.py`, `trials.py`). The
concept: the bounds of `rules` keep a rule from doing harm; should one of them fail, it is this rule that is rejected,
and not this worker that dies, nor the next one that takes the task.

The process asks this one through pipes for each page and each known model, and so needs no access to the database, not
even one that only reads: its environment holds no secret, and one page at a time is in its memory.
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
from provider_pipeline.sync.config import StoredResponse
from provider_pipeline.sync.repair.judge_process import MEMORY, OUT_OF_MEMORY, read_json, write_bytes, write_json
from provider_pipeline.sync.repair.material import StoredMaterial
from provider_pipeline.sync.repair.shadow import Evidence, Shadow

DEADLINE: Final = 600
"""Seconds after which it is ended, however little processor time it took; shorter than a worker's lease."""
_AT_ONCE: Final = BoundedSemaphore(2)
"""Each takes up to `MEMORY`; a third one waits."""
_HANDED_ON: Final = ("LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")
_ASKED_TO_END: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def evaluate_apart(
    material: StoredMaterial,
    candidate: ExtractionRule,
    active: ExtractionRule | None,
    response: StoredResponse,
    *,
    doubt: str | None = None,
    between: Callable[[], None] = lambda: None,
) -> Evidence:
    """As `evaluate_candidate`, in a process of its own.

    Raises:
        RuleJudgingError: The process died of the rule, or gave up.
        CatalogError: It could not be run.
    """
    return Evidence.from_json(_judged("evidence", material, candidate, active, response, doubt, between))


def shadow_apart(
    material: StoredMaterial, candidate: ExtractionRule, active: ExtractionRule, response: StoredResponse
) -> Shadow:
    """As `run_shadow`, in a process of its own.

    Raises:
        RuleJudgingError: The process died of the rule, or gave up.
        CatalogError: It could not be run.
    """
    return Shadow.from_json(_judged("shadow", material, candidate, active, response, None))


def _judged(
    kind: str,
    material: StoredMaterial,
    candidate: ExtractionRule,
    active: ExtractionRule | None,
    response: StoredResponse,
    doubt: str | None,
    between: Callable[[], None] = lambda: None,
) -> Mapping[str, Any]:
    task = {
        "kind": kind,
        "candidate": candidate.to_stored()._asdict(),
        "active": None if active is None else active.to_stored()._asdict(),
        "response": response.id,
        "doubt": doubt,
    }
    with _AT_ONCE:
        verdict = _Conversation(material, task, between).run()
    if "failed" in verdict:
        failed = verdict["failed"]
        what = f"takes more than {MEMORY >> 20} MiB of memory" if failed == OUT_OF_MEMORY else f"failed: {failed}"
        raise RuleJudgingError(f"judging it {what}")
    found: Mapping[str, Any] = verdict[kind]
    return found


class _Conversation:
    """One process, and the answers to its questions.

    Args:
        material: What it may ask for.
        task: What it is to do.
        between: Called before each response is read.
    """

    def __init__(self, material: StoredMaterial, task: Mapping[str, Any], between: Callable[[], None]) -> None:
        self._material = material
        self._task = task
        self._between = between
        self._pages: Iterator[catalog.raw_responses.StoredPage] = iter(())
        self._began = False

    def run(self) -> Mapping[str, Any]:
        """What the process says at the end.

        Raises:
            RuleJudgingError: It ended without a word.
            CatalogError: It could not be run.
        """
        environment = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
        process = subprocess.Popen(
            [sys.executable, "-m", "provider_pipeline.sync.repair.judge_process"],
            env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt at the terminal is for this process
        )
        timer = Timer(DEADLINE, process.kill)
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

    def _answer(self, questions: IO[bytes], answers: IO[bytes]) -> Mapping[str, Any]:
        while True:
            question: Mapping[str, Any] = read_json(questions)
            match question:
                case {"ask": "task"}:
                    self._began = True
                    write_json(answers, self._task)
                case {"ask": "known_ids"}:
                    write_json(answers, sorted(self._material.known_ids()))
                case {"ask": "known_rows", "ids": ids}:
                    write_json(answers, self._material.known_rows(ids))
                case {"ask": "overrides"}:
                    write_json(answers, self._material.overrides())
                case {"ask": "stored_responses"}:
                    write_json(answers, [each.id for each in self._material.stored_responses()])
                case {"ask": "sample_pages"}:
                    self._open(self._material.sample_id)
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
                    return question

    def _open(self, raw_response_id: int | None) -> None:
        self._pages = (
            iter(())
            if raw_response_id is None
            else catalog.raw_responses.stored_pages(self._material.session, raw_response_id)
        )

    def _died(self, code: int) -> RuleJudgingError | CatalogError:
        if not self._began or -code in _ASKED_TO_END:
            return CatalogError(
                f"the process that judges proposed rules could not be run (exit code {code})",
                hint="see whether this machine has memory left; the task is tried again",
                transient=True,
            )
        if -code == signal.SIGXCPU:
            return RuleJudgingError("judging it takes more processor time than a rule may")
        return RuleJudgingError(f"judging it ended its process (exit code {code})")
