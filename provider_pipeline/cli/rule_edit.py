"""`provider-pipeline rules set|edit`: correct parts of a provider's rule, after a look at what that changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import click
import typer

from provider_pipeline import catalog, presets, rules, sync
from provider_pipeline.cli.console import draw_list, emit_json, fail, note, number, say, shortened, table, value_text
from provider_pipeline.cli.parameters import ByOption, JsonOption, SlugArgument
from provider_pipeline.cli.provider_input import is_interactive
from provider_pipeline.cli.tables import FittedTable
from provider_pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_PARTS: Final = "selector, fields.NAME, units.NAME, pagination.KEY"
_SHOWN_VALUE: Final = 30
_HEADER: Final = """\
# The rule of {slug}, version {version}: where its models are (selector), which part of a
# model fills which column (fields), the units of its prices, and how to ask for further
# pages. A line that you remove leaves that field out.
# Saved without a change, nothing happens. The language: docs/rules.md
"""

_DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]
_YesOption = Annotated[bool, typer.Option("--yes", help="Activate it without asking, if it passes every gate.")]
_WhyOption = Annotated[str | None, typer.Option("--reason", help="Why; it is recorded.")]


def set_parts(
    slug: SlugArgument,
    assignments: Annotated[
        list[str],
        typer.Argument(
            metavar="PART=VALUE",
            help=f"A part of the rule ({_PARTS}) and what it is from now on; nothing after = leaves the field out.",
        ),
    ],
    endpoint: Annotated[
        str | None, typer.Option(help="The path of the endpoint, for a provider that has several.")
    ] = None,
    dry_run: _DryRunOption = False,
    yes: _YesOption = False,
    reason: _WhyOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Correct parts of a provider's rule, such as fields.context_length=limits.context.

    Shows first what the rows of the newest stored response would become. The corrected rule passes the same gates as
    any other, and generated rules keep what is stated here. Exit code 1: it fails a gate, and waits for a person; 2:
    nothing was done, because there was no terminal to ask at.
    """

    def changes(session: Session) -> rules.stated_rule.StatedRule:
        stated: dict[str, Any] = {}
        for text in assignments:
            _assign(stated, text)
        if "pagination" in stated and "type" not in stated["pagination"]:
            stated["pagination"] = {**_active_pagination(session, slug, endpoint), **stated["pagination"]}
        return rules.stated_rule.StatedRule.parse(stated if endpoint is None else {"endpoints": {endpoint: stated}})

    _try_and_activate(
        slug, changes, why=reason or f"set {' '.join(assignments)}", dry_run=dry_run, yes=yes, by=by, as_json=as_json
    )


def _assign(stated: dict[str, Any], text: str) -> None:
    part, found, value = text.partition("=")
    name, _, key = part.strip().partition(".")
    value = value.strip()
    if not found:
        raise typer.BadParameter(f"expected PART=VALUE, got {text!r}; the parts are {_PARTS}")
    match name, bool(key):
        case "selector", False:
            stated["selector"] = value
        case "fields", True:
            stated.setdefault("fields", {})[key] = value or None
        case "units", True:
            stated.setdefault("units", {})[key] = _json_or_text(value) if value else None
        case "pagination", True:
            stated.setdefault("pagination", {})[key] = _json_or_text(value)
        case _:
            raise typer.BadParameter(f"{part!r} is not a part of a rule; the parts are {_PARTS}")


def _json_or_text(value: str) -> Any:
    """An object, a list, true or false, as JSON; anything else is a text."""
    try:
        found = json.loads(value)
    except ValueError:
        return value
    return found if isinstance(found, (dict, list, bool)) else value


def _active_pagination(session: Session, slug: str, path: str | None) -> dict[str, Any]:
    endpoints = active_rule(session, slug).endpoints
    chosen = next((each for each in endpoints if path in (None, each.path)), endpoints[0])
    return chosen.pagination or {"type": "none"}


def edit_parts(
    slug: SlugArgument,
    dry_run: _DryRunOption = False,
    yes: _YesOption = False,
    reason: _WhyOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Edit the short form of a provider's rule in $EDITOR: selector, fields, units and pagination, as YAML.

    Afterwards everything is as with `rules set`, with the same exit codes.
    """
    with catalog.database.open_catalog() as database, database.session() as session:
        version = catalog.rule_versions.active(session, catalog.providers.get(session, slug).id).version
        present = active_rule(session, slug)
    before = rules.stated_rule.StatedRule.of(present)
    text: str | None = _HEADER.format(slug=slug, version=version) + presets.yaml_documents.yaml_text(before.to_json())
    changed = None
    while changed is None:
        try:
            text = click.edit(text, extension=".yaml")
        except click.ClickException as error:
            raise ConfigurationError(error.message, hint="nothing was changed; set EDITOR to another editor") from error
        if text is None:
            note(f"{slug}: nothing was changed")
            return
        try:
            document = presets.yaml_documents.read_yaml(text.encode(), slug, max_bytes=presets.library.MAX_BYTES)
            changed = rules.stated_rule.stated_changes(before, rules.stated_rule.StatedRule.parse(document.data))
            changed.apply_to(present)
        except ConfigurationError as error:
            if not is_interactive():
                raise
            fail(error.message, hint=error.hint)
            if not typer.confirm("Edit it again?", default=True, err=True):
                raise typer.Exit(1) from error
            changed = None
    wanted = changed
    if not wanted.to_json():
        note(f"{slug}: nothing was changed")
        return
    _try_and_activate(
        slug, lambda _: wanted, why=reason or "edited by hand", dry_run=dry_run, yes=yes, by=by, as_json=as_json
    )


def active_rule(session: Session, slug: str) -> rules.document.ExtractionRule:
    """A provider's active rule."""
    provider_id = catalog.providers.get(session, slug).id
    return sync.plan.stored_rule(session, catalog.rule_versions.active(session, provider_id))


def _try_and_activate(
    slug: str,
    changes: Callable[[Session], rules.stated_rule.StatedRule],
    *,
    why: str,
    dry_run: bool,
    yes: bool,
    by: int | None,
    as_json: bool,
) -> None:
    """Try the changes, show them, and activate the rule if it passes the gates and a person agrees."""
    with catalog.database.open_catalog() as database, database.session() as session:
        wanted = changes(session)
        edit = sync.repair.edit.edit_rule(session, slug, wanted, reason=why, created_by_id=by)
        if not as_json:
            _show(edit, wanted)
        done = not dry_run and (yes or edit.result is None)
        if not dry_run and not done and is_interactive():
            session.rollback()  # a transaction must not wait for a person
            question = "It fails a gate. Store it for review?" if edit.failed else "Activate it?"
            if done := typer.confirm(question, err=True):
                edit = sync.repair.edit.edit_rule(session, slug, wanted, reason=why, created_by_id=by)
        if done:
            session.commit()
        else:
            session.rollback()
    if as_json:
        emit_json(edit.to_json() | {"applied": done})
    elif done:
        _tell_result(edit)
    if not done and not dry_run:
        what = "store it for review" if edit.failed else "do it"
        note(f"nothing was done; to {what} without being asked, give --yes")
    if edit.result is not None and edit.result.status == "needs_review":
        raise typer.Exit(1)
    if not done and not dry_run:
        raise typer.Exit(2)


def _show(edit: sync.repair.edit.RuleEdit, wanted: rules.stated_rule.StatedRule) -> None:
    if not edit.rule_changes:
        return
    say(f"{edit.slug}: rule version {edit.before} would change")
    for line in edit.rule_changes:
        say(f"  {line}")
    for name in rules.stated_rule.kept_as_metadata(wanted.stated_fields()):
        note(f"{name} is not a column: its values go to metadata_json")
    drawn = _differences(edit)
    draw_list(drawn, empty=f"{drawn.title}: no value would differ")
    if not edit.failed:
        note("it passes every gate" + (f"; {', '.join(edit.guards)} would hold the next sync" if edit.guards else ""))
    for gate in edit.failed:
        fail(f"it fails the gate {gate.name}: {gate.actual}", hint=f"expected: {gate.expected}")


def _differences(edit: sync.repair.edit.RuleEdit) -> FittedTable:
    found = edit.differences
    title = f"{number(found.models)} models of raw response {edit.raw_response_id}"
    title += f"; {number(found.gone)} more would be gone" if found.gone else ""
    title += f"; {number(found.new)} would be new" if found.new else ""
    counts = ("differ", "gained", "lost")
    rows = (
        (each.column, *(number(getattr(each, name)) for name in counts), list(_examples(each)))
        for each in found.columns
    )
    return table(title, ("column", *counts, "for example"), rows, right=counts)


def _examples(change: rules.comparison.ColumnChange) -> Iterator[str]:
    write = rules.model_prices.price_text if rules.model_prices.is_price(change.column) else _short_value
    for model, before, after in change.examples:
        yield f"{model}: {write(before)} -> {write(after)}"


def _short_value(value: Any) -> str:
    return shortened(value_text(value), _SHOWN_VALUE)


def _tell_result(edit: sync.repair.edit.RuleEdit) -> None:
    result = edit.result
    if result is None:
        say(f"{edit.slug}: rule version {edit.before} says so already; generated rules will keep it")
    elif result.status == "activated":
        accept = "".join(f" --accept {guard}" for guard in edit.guards)
        say(
            f"{edit.slug}: rule version {result.version} is active; read the listing with it: "
            f"provider-pipeline sync {edit.slug}{accept}{' --reason WHY' if accept else ''}"
        )
    else:
        if not any(gate.actual in result.reason for gate in edit.failed):  # a failed gate is shown already
            note(f"{edit.slug}: {result.reason}")
        say(
            f"{edit.slug}: rule version {result.version} waits for review; to activate it all the same: "
            f"provider-pipeline rules activate {edit.slug} {result.version} --reason WHY"
        )
