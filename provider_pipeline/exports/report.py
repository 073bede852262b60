"""The report of an export: its content, omissions and their reasons; written beside it as `FILE.report.json`."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from provider_pipeline.exports.records import ModelRecord


@dataclass
class ExportReport:
    """The account of one export.

    Attributes:
        form: Its form.
        models: How many models are in it.
        left_out: Models that lack what the form requires: slug, model id and the reasons.
        omitted: Facts of models in it that the form cannot hold: slug, model id and the fact.
        filled: Values taken from canonical models: slug, model id and the column.
        derived: Values that stand for another fact than the form's own: slug, model id, and the value's source.
        sha256: Of the file; None until it is complete.
        size: Of the file, in bytes.
    """

    form: str
    models: int = 0
    left_out: list[tuple[str, str, str]] = field(default_factory=list)
    omitted: list[tuple[str, str, str]] = field(default_factory=list)
    filled: list[tuple[str, str, str]] = field(default_factory=list)
    derived: list[tuple[str, str, str]] = field(default_factory=list)
    sha256: str | None = None
    size: int = 0

    def leave_out(self, record: ModelRecord, *reasons: str) -> None:
        """Counts a model that is not in the file."""
        self.left_out.append((record.provider.slug, record.model_id, "; ".join(reasons)))

    def omit(self, record: ModelRecord, fact: str) -> None:
        """Counts a fact that the form cannot hold."""
        self.omitted.append((record.provider.slug, record.model_id, fact))

    def derive(self, record: ModelRecord, source: str) -> None:
        """Counts a value that was taken from something near to what the form means."""
        self.derived.append((record.provider.slug, record.model_id, source))

    def include(self, record: ModelRecord) -> None:
        """Counts a model that is in the file."""
        self.models += 1
        self.filled.extend((record.provider.slug, record.model_id, column) for column in sorted(record.filled))

    def counts(self) -> dict[str, Any]:
        """The numbers, with reasons by frequency."""
        return {
            "form": self.form,
            "models": self.models,
            "left_out": len(self.left_out),
            "left_out_by_reason": _by_frequency(reason for _, _, each in self.left_out for reason in each.split("; ")),
            "omitted_by_fact": _by_frequency(fact for _, _, fact in self.omitted),
            "filled_by_column": _by_frequency(column for _, _, column in self.filled),
            "derived_by_source": _by_frequency(source for _, _, source in self.derived),
            "sha256": self.sha256,
            "bytes": self.size,
        }

    def to_json(self) -> dict[str, Any]:
        """The numbers, and the models by name."""
        named: Mapping[str, tuple[str, list[tuple[str, str, str]]]] = {
            "left_out_models": ("reason", self.left_out),
            "omitted_facts": ("fact", self.omitted),
            "filled_values": ("column", self.filled),
            "derived_values": ("source", self.derived),
        }
        return self.counts() | {
            name: [{"provider": slug, "model": model, what: text} for slug, model, text in entries]
            for name, (what, entries) in named.items()
        }


def _by_frequency(texts: Any) -> dict[str, int]:
    return dict(sorted(Counter(texts).items(), key=lambda each: (-each[1], each[0])))
