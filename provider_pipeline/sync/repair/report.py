"""Describes a candidate rule beside the active one, as Markdown for the person who decides."""

from collections.abc import Iterable, Sequence

from provider_pipeline.rules.comparison import Comparison
from provider_pipeline.rules.drift import Difference
from provider_pipeline.rules.issues import escaped
from provider_pipeline.sync.repair.promotion import Gate
from provider_pipeline.sync.repair.shadow import Evidence, ShadowRun

_MAX_CELL_CHARACTERS = 160
_MAX_LINES = 40


def report_markdown(
    slug: str,
    *,
    reason: str,
    differences: Sequence[Difference],
    rule_changes: Sequence[str],
    gates: Sequence[Gate],
    evidence: Evidence | None,
    next_steps: Sequence[str],
) -> str:
    """The side-by-side report.

    Args:
        slug: The provider.
        reason: The decision on the candidate and why, in one line.
        differences: Changes between the last good response and the one that failed.
        rule_changes: Differences between the active rule and the candidate, one line each.
        gates: The gates, in order.
        evidence: What the gates looked at; None if no candidate could be written.
        next_steps: Commands that a person can run.
    """
    parts = [f"## {_cell(slug)}: {_cell(reason)}", "### What changed", *_changes(differences)]
    if rule_changes:
        parts += [
            "### What the candidate changes",
            *(f"- {_plain(line)}" for line in rule_changes[:_MAX_LINES]),
        ]
        if len(rule_changes) > _MAX_LINES:
            parts.append(f"- and {len(rule_changes) - _MAX_LINES} more: `provider-pipeline rules diff {_cell(slug)}`")
    if gates:
        parts += ["### Gates", _table(("gate", "passed", "expected", "actual"), (_gate_row(gate) for gate in gates))]
    if evidence is not None:
        responses = [evidence.failing, *evidence.stored]
        parts += [
            "### Side by side",
            _table(
                ("raw response", "active rule", "candidate", "models kept"), (_shadow_row(one) for one in responses)
            ),
        ]
        if evidence.catalogue is not None:
            parts += ["### Beside the catalogue", _fields_table(evidence.catalogue)]
    if next_steps:
        parts += ["### Next", *(f"- `{step}`" for step in next_steps)]
    return "\n\n".join(_joined_lists(parts))


def _changes(differences: Sequence[Difference]) -> Iterable[str]:
    if not differences:
        return ["Nothing in the structure of the response."]
    return [f"- {_plain(difference.text)}" for difference in differences]


def _gate_row(gate: Gate) -> tuple[str, ...]:
    actual = gate.actual + (f" ({'; '.join(gate.sample)})" if gate.sample and not gate.passed else "")
    return (gate.name.replace("_", " "), "yes" if gate.passed else "**no**", gate.expected, actual)


def _shadow_row(shadow: ShadowRun) -> tuple[str, ...]:
    where = "not stored" if shadow.raw_response_id is None else str(shadow.raw_response_id)
    active = (
        "none" if shadow.active is None else _result(shadow.active.valid, shadow.active.models, shadow.active.reason)
    )
    candidate = _result(shadow.candidate.valid, shadow.candidate.models, shadow.candidate.reason)
    kept = "" if shadow.comparison is None else f"{shadow.comparison.shared} of {shadow.comparison.before}"
    return (where, active, candidate, kept)


def _result(valid: bool, models: int, reason: str | None) -> str:
    return f"{models} models" if valid else f"does not fit: {reason or 'no reason given'}"


def _fields_table(comparison: Comparison) -> str:
    rows = [
        (name, str(each.agree), str(each.differ), str(each.lost), str(each.gained), "; ".join(each.sample[:2]))
        for name, each in [*comparison.fields.items(), ("capabilities", comparison.capabilities)]
        if each.known_before or each.gained
    ]
    return _table(("field", "same", "other", "lost", "gained", "for example"), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_row(heads), _row(["---"] * len(heads)), *(_row([_cell(cell) for cell in row]) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """Text that cannot break out of a table cell, whatever a provider sent."""
    return _plain(text if len(text) <= _MAX_CELL_CHARACTERS else f"{text[: _MAX_CELL_CHARACTERS - 1]}…").replace(
        "|", "\\|"
    )


def _plain(text: str) -> str:
    return escaped(" ".join(text.split())).replace("<", "&lt;")


def _joined_lists(parts: Iterable[str]) -> Iterable[str]:
    """Joins consecutive list items into one part."""
    block: list[str] = []
    for part in parts:
        if part.startswith("- "):
            block.append(part)
            continue
        if block:
            yield "\n".join(block)
            block = []
        yield part
    if block:
        yield "\n".join(block)
