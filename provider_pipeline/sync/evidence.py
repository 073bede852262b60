"""What speaks for and against a candidate rule, as data.

Here: what both rules make of a response, and all of that together. Not here: gathering it (`evaluation.py`) and the
verdict on it (`gates.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from provider_pipeline.rules import Comparison

SHADOW_RESPONSES: Final = 10
"""How many stored responses a candidate is tried on, beside the one that failed."""


@dataclass(frozen=True)
class Reading:
    """What one rule makes of one response, without comparison with history.

    Attributes:
        valid: Whether the rule fits.
        models: Accepted rows.
        reason: The first error, when it does not fit.
    """

    valid: bool
    models: int
    reason: str | None = None


@dataclass(frozen=True)
class Shadow:
    """Two rules on the same response, side by side.

    Attributes:
        raw_response_id: The response; None for a sample that is not stored.
        active: What the active rule makes of it; None when there is none.
        candidate: What the candidate makes of it.
        comparison: Their rows, compared; None when there is no active rule.
    """

    raw_response_id: int | None
    active: Reading | None
    candidate: Reading
    comparison: Comparison | None

    def to_json(self) -> dict[str, Any]:
        """The shadow run as plain JSON."""
        return {
            "raw_response_id": self.raw_response_id,
            "active": None if self.active is None else vars(self.active),
            "candidate": vars(self.candidate),
            "comparison": None if self.comparison is None else self.comparison.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Shadow":
        """The shadow run that a document of `to_json` holds."""
        active, comparison = document["active"], document["comparison"]
        return cls(
            document["raw_response_id"],
            None if active is None else Reading(**active),
            Reading(**document["candidate"]),
            None if comparison is None else Comparison.from_json(comparison),
        )


@dataclass(frozen=True)
class Evidence:
    """All that the gates look at.

    Attributes:
        failing: Both rules on the response that the active rule does not fit, or on the newest one.
        stored: Both rules on earlier responses, newest first.
        known: Models that the provider's last accepted listing named.
        found: How many of them the candidate finds in the failing response.
        dropped: How many of them the failing response does not name anywhere.
        unpaged: Endpoints of which the active rule looks for further pages and the candidate does not, unless the
            first page names all that is known.
        elsewhere: Where the candidate asks and the active rule does not, or the other way round; a line each.
        catalogue: The catalogue's rows beside the candidate's, over the failing response; None without known models.
        catalogue_now: The catalogue's rows beside those of the active rule, over the same response.
        doubt: Why the candidate may be a wrong guess.
    """

    failing: Shadow
    stored: tuple[Shadow, ...] = ()
    known: int = 0
    found: int = 0
    dropped: int = 0
    unpaged: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    catalogue: Comparison | None = None
    catalogue_now: Comparison | None = None
    doubt: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The evidence as plain JSON."""
        return vars(self) | {
            "failing": self.failing.to_json(),
            "stored": [shadow.to_json() for shadow in self.stored],
            "unpaged": list(self.unpaged),
            "elsewhere": list(self.elsewhere),
            "catalogue": None if self.catalogue is None else self.catalogue.to_json(),
            "catalogue_now": None if self.catalogue_now is None else self.catalogue_now.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Evidence":
        """The evidence that a document of `to_json` holds."""
        beside = {name: document[name] for name in ("catalogue", "catalogue_now")}
        return cls(
            **{
                **document,
                "failing": Shadow.from_json(document["failing"]),
                "stored": tuple(map(Shadow.from_json, document["stored"])),
                "unpaged": tuple(document["unpaged"]),
                "elsewhere": tuple(document["elsewhere"]),
                **{name: None if each is None else Comparison.from_json(each) for name, each in beside.items()},
            }
        )
