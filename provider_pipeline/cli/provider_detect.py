"""`provider-pipeline providers detect`: what kind of API is at an address."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from provider_pipeline import catalog, listing, presets, rules
from provider_pipeline.cli.console import draw, emit_json, fail, models_table, note, say_lines, stderr, table
from provider_pipeline.cli.parameters import JsonOption
from provider_pipeline.cli.provider_apply import print_done
from provider_pipeline.cli.provider_input import (
    HeadersOption,
    KeyEnvOption,
    KeyHeaderOption,
    NewHostsOption,
    auth_of_options,
)
from provider_pipeline.errors import ConfigurationError

_SHOWN_MODELS = 10


def detect(
    url: Annotated[str, typer.Argument(help="The address of an API, of a gateway, or of its listing.")],
    key_env: KeyEnvOption = None,
    key_header: KeyHeaderOption = None,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="It is at a private, loopback or link-local address.")
    ] = False,
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="Allow plain http to a public address: the key can be read on the way.")
    ] = False,
    slug: Annotated[str | None, typer.Option("--as", metavar="SLUG", help="Its slug; default: from its host.")] = None,
    header: HeadersOption = None,
    add: Annotated[bool, typer.Option("--add", help="Register what was found.")] = False,
    new_hosts: NewHostsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find a listing of models at an address, and write the provider file and the rule for it.

    If the address is a listing's own, it is read even if its models have unknown names. Below any other address, the
    usual paths are requested, at most three a second, and the listing that states most is chosen. The provider file
    goes to standard output, ready to be saved; all else to standard error. Exit code 1: no listing was found, or the
    rule that was added needs review.
    """
    auth = auth_of_options(key_env, None, key_header, None, header or [])
    detection = presets.detection.detect(
        url,
        auth=auth,
        client=listing.client.ListingClient(presets.detection.PROBE_LIMITS),
        policy=listing.policy.RequestPolicy(allow_private=allow_private, allow_http=allow_http),
        slug=slug,
        on_probe=lambda probe: None if probe.is_absent else note(probe.outcome),
    )
    if absent := sum(probe.is_absent for probe in detection.probes):
        note(f"{absent} other {'path' if absent == 1 else 'paths'}: nothing there (--json lists them)")
    plan = _added(detection.found, new_hosts or []) if add and detection.found is not None else None
    if as_json:
        emit_json(_document(detection, plan))
    elif detection.found is not None:
        _print(detection.found, plan)
    if detection.found is None:
        fail(detection.reason, hint=detection.hint)
        raise typer.Exit(1)
    if plan is not None and any(each.needs_review for each in plan.providers):
        fail("its rule needs review: the generator was not sure of the list or of the id")
        raise typer.Exit(1)


def _added(found: presets.detection.DetectedApi, new_hosts: list[str]) -> presets.plan.Plan:
    with catalog.database.open_catalog() as database, database.session() as session:
        plan = presets.plan.plan_providers(
            session, [presets.requested.RequestedProvider(found.file, found.sample)], environ=os.environ
        )
        (provider,) = plan.providers
        moved = next((change for change in provider.changes if change.field == "base_url"), None)
        if provider.action == "change" and moved is not None:
            raise ConfigurationError(
                f"{provider.slug} is already another provider, at {moved.old}", hint="give this one a slug with --as"
            )
        presets.registration.apply_plan(session, plan, new_hosts=new_hosts)
        session.commit()
    return plan


def _print(found: presets.detection.DetectedApi, plan: presets.plan.Plan | None) -> None:
    say_lines(presets.library.provider_file_text(found.file))
    title = f"the first {_SHOWN_MODELS} of {len(found.rows)} models" if len(found.rows) > _SHOWN_MODELS else "models"
    if found.rule is None:
        note(f"no rule yet, its list is empty; taken for a listing because {'; '.join(found.score.reasons)}")
    else:
        draw(
            table("generated rule", ("decision", "choice"), _decisions(found.rule, found.score)),
            models_table(title, [dict(row) for row in found.rows[:_SHOWN_MODELS]]),
            console=stderr(),
        )
    if found.preset is not None:
        note(f"this is the preset {found.preset}: provider-pipeline providers add {found.preset}")
    if plan is not None:
        print_done(plan)
    else:
        note("to register it, give --add; or save the file: provider-pipeline providers add --file FILE")


def _decisions(
    rule: rules.document.ExtractionRule, score: presets.listing_score.ListingScore
) -> Iterator[tuple[str, Any]]:
    summary = rules.generation.explain.explain_rule(rule)["summary"]
    endpoint = rule.endpoints[0]
    kind, sure = summary["provider_kind"], summary["provider_kind_confidence"]
    yield "kind of API", f"{kind} ({sure:.0%}: {'; '.join(summary['provider_kind_evidence'])})" if kind else None
    yield "why it lists models", "; ".join(score.reasons)
    yield "selector", endpoint.selector
    units = endpoint.model_dump(mode="json")["units"]
    for name, expression in endpoint.fields.items():
        unit = units.get(name)
        yield name, f"{expression} ({unit if isinstance(unit, str) else json.dumps(unit)})" if unit else expression
    yield "pagination", json.dumps(summary["pagination"])
    yield "capabilities", ", ".join(each.capability for each in rule.capability_rules)
    yield "confidence", f"{summary['confidence']:.0%}"


def _document(detection: presets.detection.Detection, plan: presets.plan.Plan | None) -> dict[str, Any]:
    found = detection.found
    document: dict[str, Any] = {
        "found": found is not None,
        "reason": detection.reason or None,
        "hint": detection.hint,
        "requests": [{"url": probe.url, "outcome": probe.outcome} for probe in detection.probes],
    }
    if found is None:
        return document
    rule, written = found.rule, None
    if rule is not None:
        stored = rule.to_stored()
        written = {"model_list_config": stored.model_list_config, "endpoints_config": stored.endpoints_config}
    return document | {
        "kind": (rule.metadata.get("provider_kind") or {}).get("kind") if rule is not None else None,
        "file": found.file.model_dump(mode="json", exclude_unset=True),
        "preset": found.preset,
        "rule": written,
        "confidence": rule.confidence if rule is not None else None,
        "models": len(found.rows),
        "first_models": list(found.rows[:_SHOWN_MODELS]),
        "added": [each.to_json() for each in plan.providers] if plan is not None else [],
    }
