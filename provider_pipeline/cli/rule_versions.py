"""`provider-pipeline rules versions|diff|activate|rollback`: which rule is in use, and how it came to be.

Here: commands on what is stored. Not here: writing and trying rules (`rules.py`), where these commands are registered.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from provider_pipeline import catalog, rules, sync
from provider_pipeline.cli.completion import SlugArgument
from provider_pipeline.cli.console import (
    ByOption,
    JsonOption,
    ReasonOption,
    draw,
    emit_json,
    say,
    say_lines,
    table,
)

_Version = Annotated[int, typer.Argument(min=1, help="A rule version of the provider.")]


def versions(slug: SlugArgument, as_json: JsonOption = False) -> None:
    """List a provider's rule versions: their status, who made them, and why they have it."""
    with catalog.database.open_catalog() as database, database.session() as session:
        provider_id = catalog.providers.get(session, slug).id
        found = catalog.rule_versions.list_rule_versions(session, provider_id)
        events = catalog.rule_versions.events(session, provider_id)
    history = {each.version: [event for event in events if event.version == each.version] for each in found}
    if as_json:
        emit_json([_document(each) | {"events": [_event(event) for event in history[each.version]]} for each in found])
        return
    draw(
        table(
            f"{slug}: rule versions",
            ("version", "status", "author", "by", "parent", "made", "why"),
            (
                (
                    each.version,
                    each.status,
                    each.author,
                    each.created_by_id,
                    each.parent_version,
                    f"{each.created_at:%Y-%m-%d %H:%M}",
                    history[each.version][-1].reason if history[each.version] else None,
                )
                for each in found
            ),
            right=("version", "by", "parent"),
        )
    )


def diff(
    slug: SlugArgument,
    before: _Version,
    after: _Version,
    markdown: Annotated[bool, typer.Option("--markdown", help="As a Markdown table.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what one rule version says otherwise than another."""
    with catalog.database.open_catalog() as database, database.session() as session:
        provider_id = catalog.providers.get(session, slug).id
        old, new = (
            sync.config.stored_rule(catalog.rule_versions.get(session, provider_id, version))
            for version in (before, after)
        )
    differences: list[rules.difference.RuleDifference] = rules.difference.rule_differences(old, new)
    if as_json:
        emit_json([asdict(each) for each in differences])
    elif markdown:
        say_lines(rules.difference.difference_markdown(differences))
    else:
        for line in rules.difference.difference_lines(differences):
            say(line)


def activate(
    slug: SlugArgument, version: _Version, reason: ReasonOption, by: ByOption = None, as_json: JsonOption = False
) -> None:
    """Make a rule version the active one; the next sync reads with it."""
    with catalog.database.open_catalog() as database, database.session() as session:
        provider_id = catalog.providers.get(session, slug).id
        catalog.rule_decisions.activate_rule(session, provider_id, version, reason=reason, created_by_id=by)
        session.commit()
    _say_active(slug, version, as_json)


def rollback(slug: SlugArgument, reason: ReasonOption, by: ByOption = None, as_json: JsonOption = False) -> None:
    """Make the version active again that was active before the present one."""
    with catalog.database.open_catalog() as database, database.session() as session:
        provider_id = catalog.providers.get(session, slug).id
        version = catalog.rule_decisions.roll_back(session, provider_id, reason=reason, created_by_id=by)
        session.commit()
    _say_active(slug, version, as_json)


def _say_active(slug: str, version: int, as_json: bool) -> None:
    if as_json:
        emit_json({"provider": slug, "active": version})
    else:
        say(f"{slug}: rule version {version} is active; read the listing with it: provider-pipeline sync {slug}")


def _document(version: catalog.rule_versions.StoredRuleVersion) -> dict[str, Any]:
    names = ("version", "status", "author", "created_by_id", "parent_version", "origin", "digest", "sample_id")
    return {name: getattr(version, name) for name in names} | {"created_at": version.created_at.isoformat()}


def _event(event: catalog.rule_versions.RuleEvent) -> dict[str, Any]:
    names = ("status", "reason", "scores", "task_id", "created_by_id")
    return {name: getattr(event, name) for name in names} | {"created_at": event.created_at.isoformat()}
