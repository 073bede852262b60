"""The two weeks of four providers, day by day: what they serve, what that must come to, and what a person says.

`aurora` changes its shape again and again, and is never without a rule; `borealis` needs a person; `cirrus` fails in
every way; `pendulum` cannot make up its mind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from provider_pipeline_tests.simulation.expected import (
    Offer,
    body,
    model,
    plain,
    repriced,
    swapped,
    with_moved_list,
    with_named_unit,
    with_owner,
    with_renamed_key,
    with_unnamed_unit,
    without,
)

CHAT: Offer = (
    model("gpt-4.1", 1_047_576, "2", "8"),
    model("gpt-4.1-mini", 1_047_576, "0.4", "1.6"),
    model("gpt-4o", 128_000, "2.5", "10"),
    model("gpt-4o-mini", 128_000, "0.15", "0.6"),
    model("o3", 200_000, "2", "8"),
    model("claude-opus-4-1", 200_000, "15", "75"),
    model("claude-sonnet-4-5", 200_000, "3", "15"),
    model("mistral-large-2411", 131_072, "2", "6"),
    model("llama-3.3-70b-instruct", 131_072, "0.6", "0.7"),
    model("qwen3-32b", 40_960, "0.1", "0.3"),
    model("deepseek-v3", 163_840, "0.25", "1"),
    model("gemini-2.5-pro", 1_048_576, "1.25", "10"),
)
MORE: Offer = (model("gpt-5", 400_000, "1.25", "10"), model("gpt-5-mini", 400_000, "0.25", "2"))

Ending = Literal["synced", "repaired", "held", "failed"]
Action = Literal["accept_turnover", "accept_shrink", "approve", "activate_worse_rule", "roll_back"]


@dataclass(frozen=True)
class Scene:
    """One day of one provider.

    Attributes:
        answer: What it answers: a JSON document, or bytes.
        ends: What the day must come to: `synced` by the fleet run itself, `repaired` without a person, `held` for a
            person, or `failed` for want of a listing. In the last two the rows stay as they were.
        offer: What it truly offers, as far as the active rule tells.
        says: What the report, or the error, must say.
        tasks: The statuses of all its tasks, oldest first, when the tick is over.
        rule: The active rule version when the tick is over.
        before: What a person does before the tick.
        after: What a person does after it.
        renamed: New ids by old ones, once the day's listing is accepted.
        status: The HTTP status of the answer.
    """

    answer: Any
    ends: Ending
    offer: Offer = ()
    says: Sequence[str] = ()
    tasks: Sequence[str] = ()
    rule: int = 1
    before: Action | None = None
    after: Action | None = None
    renamed: Sequence[tuple[str, str]] = ()
    status: int = 200

    @property
    def content(self) -> str:
        """What is sent."""
        return self.answer if isinstance(self.answer, str) else body(self.answer)

    @property
    def content_type(self) -> str:
        """How it is sent."""
        return "text/html" if isinstance(self.answer, str) and self.answer.startswith("<") else "application/json"


S, R, C = "SUCCEEDED", "NEEDS_REVIEW", "CANCELLED"

GROWN = CHAT + MORE
SHRUNK = without(GROWN, "qwen3-32b")
CHEAPER = repriced(SHRUNK, "0.5", "gpt-4o", "o3")
LATER = (*CHEAPER, model("claude-haiku-4-5", 200_000, "1", "5"))
RESTORED = (*LATER, model("qwen3-32b", 40_960, "0.08", "0.24"))

AURORA: Sequence[Scene] = (
    Scene(plain(CHAT), "synced", CHAT),
    Scene(plain(GROWN), "synced", GROWN),
    Scene(plain(SHRUNK), "synced", SHRUNK),
    Scene(plain(CHEAPER), "synced", CHEAPER),
    Scene(
        with_renamed_key(CHEAPER),
        "repaired",
        CHEAPER,
        says=["`context_length` became `max_context_tokens` in all 13 items"],
        tasks=[S],
        rule=2,
    ),
    Scene(
        with_moved_list(LATER),
        "repaired",
        LATER,
        says=["`data` became `result.models`"],
        tasks=[S, S],
        rule=3,
    ),
    Scene(with_moved_list(LATER), "synced", LATER, tasks=[S, S], rule=3),
    Scene(
        with_named_unit(LATER),
        "repaired",
        LATER,
        says=["`pricing.prompt`"],
        tasks=[S, S, S],
        rule=4,
    ),
    Scene(
        plain(RESTORED),
        "repaired",
        RESTORED,
        says=["`result.models` became `data`"],
        tasks=[S, S, S, S],
        rule=1,
    ),
    Scene(plain(RESTORED), "synced", RESTORED, tasks=[S, S, S, S], rule=1),
    Scene(plain(RESTORED), "synced", swapped(RESTORED), tasks=[S, S, S, S], rule=5, before="activate_worse_rule"),
    Scene(plain(RESTORED), "synced", RESTORED, tasks=[S, S, S, S], rule=1, before="roll_back"),
)

DEARER = repriced(CHAT, "2", "gpt-4o")
OWNED = with_owner(DEARER, "acme")
HALVED = OWNED[:5]
MOVED = {"result": {"models": with_unnamed_unit(HALVED)["data"]}}
VOICES = {"voices": [{"voice_id": f"voice-{n}", "language": "en", "gender": "f"} for n in range(8)]}
MORE_VOICES = {"voices": [{"voice_id": f"voice-{n}", "language": "en", "gender": "f"} for n in range(9)]}

BOREALIS: Sequence[Scene] = (
    Scene(plain(CHAT), "synced", CHAT),
    Scene(plain(DEARER), "synced", DEARER),
    Scene(
        with_unnamed_unit(DEARER),
        "held",
        DEARER,
        says=["the values of `pricing.prompt` are now about 1,000,000 times as large"],
        tasks=[R],
        after="approve",
    ),
    Scene(with_unnamed_unit(DEARER), "synced", DEARER, tasks=[S], rule=2),
    Scene(
        with_unnamed_unit(OWNED),
        "held",
        OWNED,
        says=["ids are written in another form: `claude-opus-4-1` became `acme/claude-opus-4-1`, 12 of 12"],
        tasks=[S, R],
        rule=2,
        after="accept_turnover",
        renamed=[(each.id, f"acme/{each.id}") for each in DEARER],
    ),
    Scene(
        with_unnamed_unit(HALVED),
        "held",
        HALVED,
        says=["7 of 12 models are gone", "the listing itself is in question"],
        tasks=[S, C, R],
        rule=2,
        after="accept_shrink",
    ),
    Scene(
        MOVED,
        "repaired",
        HALVED,
        says=["`data` became `result.models`"],
        tasks=[S, C, C, S],
        rule=3,
    ),
    Scene(
        VOICES,
        "held",
        says=["`result.models` became `voices`", "5 of 5 are not named at all"],
        tasks=[S, C, C, S, R],
        rule=3,
    ),
    Scene(MORE_VOICES, "held", says=["`voices`"], tasks=[S, C, C, S, R], rule=3),
    Scene(MORE_VOICES, "held", says=["`voices`"], tasks=[S, C, C, S, R], rule=3),
    Scene(MOVED, "synced", HALVED, tasks=[S, C, C, S, C], rule=3),
    Scene(MOVED, "synced", HALVED, tasks=[S, C, C, S, C], rule=3),
)

HTML = "<html><body><h1>We will be back soon</h1></body></html>"
LESS = without(GROWN, "o3")
CIRRUS: Sequence[Scene] = (
    Scene(plain(CHAT), "synced", CHAT),
    Scene(plain(GROWN), "synced", GROWN),
    Scene("Internal Server Error", "failed", says=["500"], status=500),
    Scene(HTML, "failed", says=["a web page instead of JSON"]),
    Scene({"object": "list", "data": []}, "held", says=["`data` is empty; it had 14 models"], tasks=[R]),
    Scene(plain(LESS), "synced", LESS, tasks=[C]),
    Scene("Not Found", "failed", says=["404"], tasks=[C], status=404),
    Scene(body(plain(GROWN))[:700], "failed", says=["JSON"], tasks=[C]),
    Scene({"error": {"message": "quota exceeded"}}, "failed", says=["quota exceeded"], tasks=[C]),
    Scene(plain(GROWN), "synced", GROWN, tasks=[C]),
    Scene(HTML, "failed", says=["a web page instead of JSON"], tasks=[C]),
    Scene(plain(GROWN), "synced", GROWN, tasks=[C]),
)


def _pendulum() -> Sequence[Scene]:
    here, there = plain(CHAT), with_moved_list(CHAT)
    scenes = [Scene(here, "synced", CHAT)] * 4
    scenes.append(Scene(there, "repaired", CHAT, ["`result.models`"], [S], 2))
    scenes.append(Scene(here, "repaired", CHAT, ["`result.models` became `data`"], [S, S], 1))
    scenes.append(Scene(here, "synced", CHAT, (), [S, S], 1))
    scenes.append(Scene(there, "repaired", CHAT, ["`result.models`"], [S, S, S], 2))
    return scenes + [Scene(there, "synced", CHAT, (), [S, S, S], 2)] * 4


SCENARIO = {"aurora": AURORA, "borealis": BOREALIS, "cirrus": CIRRUS, "pendulum": _pendulum()}
DAYS = (1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14)
"""The days with a tick: on the first weekend nobody looks."""
