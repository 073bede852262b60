"""`provider-pipeline rules`: how models are read from a listing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provider_pipeline import catalog, listing, rules, sync
from provider_pipeline.cli import rule_trials, rule_versions
from provider_pipeline.cli.completion import SlugArgument, complete_slug
from provider_pipeline.cli.console import (
    JsonOption,
    draw,
    emit_json,
    note,
    print_verdict,
    read_json,
    say,
    table,
)
from provider_pipeline.cli.explain import explanation
from provider_pipeline.errors import ConfigurationError, InvalidRuleError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_RULE_PARTS = ("endpoint", "selector", "fields", "units", "pagination", "detail", "expect")
_SHOWN_PATTERNS = 400
_USUAL_PATH = "/v1/models"

app = typer.Typer(help="The extraction rules.", no_args_is_help=True)
app.command()(rule_versions.versions)
app.command()(rule_versions.diff)
app.command()(rule_versions.activate)
app.command()(rule_versions.rollback)
app.add_typer(rule_trials.app, name="trial")


@app.command()
def generate(
    slug: Annotated[
        str | None,
        typer.Argument(help="The provider; leave it out to only look at a rule.", autocompletion=complete_slug),
    ] = None,
    from_files: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="A stored response to learn from, instead of fetching one; one for each endpoint, in their order.",
            exists=True,
        ),
    ] = None,
    endpoints: Annotated[
        list[str] | None,
        typer.Option(
            "--endpoint",
            help="The listing's path; those of the active rule, or /v1/models, when left out. Several for a provider "
            "that lists its models at several places: the first one's values win.",
        ),
    ] = None,
    detail: Annotated[
        str | None,
        typer.Option(
            help="The path of the answer about one model, such as /v1/models/{id}, for a listing that says little."
        ),
    ] = None,
    activate: Annotated[
        bool | None,
        typer.Option("--activate/--keep", help="Activate or keep back; by default it must be better than the old one."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a rule from a sample: from a file, or by fetching the provider's listing."""
    given = [sync.repair.generate.ListingPlace(path) for path in endpoints or ()]
    files = from_files or []
    if slug is None:
        if not files:
            raise typer.BadParameter("name a provider, or give --from FILE")
        if len(files) == 1 and not given and detail is None:
            emit_json(rules.generation.generator.RuleGenerator().analyze_sample(read_json(files[0])))
        else:
            places = _with_detail(given or [sync.repair.generate.ListingPlace(_USUAL_PATH)], detail)
            emit_json(rules.generation.generator.RuleGenerator().analyze_endpoints(_read_samples(files, places)))
        return
    with catalog.database.open_catalog() as database, database.session() as session:
        places = _with_detail(
            given
            or sync.repair.generate.active_places(session, slug)
            or [sync.repair.generate.ListingPlace(_USUAL_PATH)],
            detail,
        )
        if files:
            samples, sample_id = _store_samples(session, slug, files, places)
        else:
            samples, sample_id = sync.repair.generate.fetch_sample(
                session, slug, places, client=listing.client.ListingClient()
            )
        generated = sync.repair.generate.generate_rule(session, slug, samples, sample_id=sample_id, activate=activate)
        session.commit()
    if as_json:
        emit_json(_document(generated))
    else:
        state = "active" if generated.activated else "stored, not active"
        for issue in generated.analysis["issues"]:
            if issue["severity"] != "info":
                note(f"{issue['severity']}: {issue['message']}")
        say(f"{slug}: rule version {generated.version} ({state}: {generated.reason}), {generated.models} models")


def _with_detail(
    places: Sequence[sync.repair.generate.ListingPlace], path: str | None
) -> Sequence[sync.repair.generate.ListingPlace]:
    if path is None:
        return places
    if len(places) != 1:
        raise typer.BadParameter(f"--detail goes with one --endpoint, there are {len(places)}")
    try:
        return [sync.repair.generate.ListingPlace(places[0].path, rules.document.Detail.at(path))]
    except InvalidRuleError as error:
        raise typer.BadParameter(f"--detail: {error.message}") from error


def _read_samples(
    files: Sequence[Path], places: Sequence[sync.repair.generate.ListingPlace]
) -> list[rules.generation.samples.EndpointSample]:
    if len(files) != len(places):
        raise typer.BadParameter(f"expected one --from for each endpoint: {len(places)}, got {len(files)}")
    return [
        rules.generation.samples.EndpointSample(
            listing.redaction.redact_document(read_json(file)), place.path, place.detail
        )
        for file, place in zip(files, places, strict=True)
    ]


def _store_samples(
    session: Session, slug: str, files: Sequence[Path], places: Sequence[sync.repair.generate.ListingPlace]
) -> tuple[list[rules.generation.samples.EndpointSample], int]:
    samples = _read_samples(files, places)
    names = ", ".join(file.name for file in files)
    return samples, sync.repair.generate.store_sample(
        session, slug, *(file.read_bytes() for file in files), url=f"sample:{names}"
    )


@app.command()
def show(slug: SlugArgument, as_json: JsonOption = False) -> None:
    """Show a provider's active rule."""
    with catalog.database.open_catalog() as database, database.session() as session:
        stored = catalog.rule_versions.active(session, catalog.providers.get(session, slug).id)
    if as_json:
        emit_json({"version": stored.version, **_stored(stored)})
        return
    config = {name: stored.model_list_config[name] for name in _RULE_PARTS if name in stored.model_list_config}
    draw(
        table(
            f"{slug}: rule version {stored.version}",
            ("part", "rule"),
            ((name, json.dumps(value, ensure_ascii=False)) for name, value in config.items()),
        )
    )
    draw(
        table(
            "capabilities",
            ("capability", "patterns"),
            (
                (name, _shortened(json.dumps(value, ensure_ascii=False)))
                for name, value in stored.endpoints_config.items()
            ),
        )
    )


@app.command()
def explain(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FILE|SLUG", help="A response to write a rule for, or a provider.", autocompletion=complete_slug
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Show what a rule chose and why, with the alternatives it rejected."""
    if Path(target).is_file():
        rule = rules.generation.generator.RuleGenerator().analyze_sample(read_json(Path(target)))
    else:
        with catalog.database.open_catalog() as database, database.session() as session:
            rule = _stored(catalog.rule_versions.active(session, catalog.providers.get(session, target).id))
    explained = rules.generation.explain.explain_rule(rule)
    if as_json:
        emit_json(explained)
    else:
        draw(*explanation(target, explained))


@app.command()
def learn(
    shipped: Annotated[
        bool, typer.Option("--shipped", help="Learn from the project's own facts, and rewrite rules/data/learnt.toml.")
    ] = False,
    min_support: Annotated[
        int, typer.Option(min=1, help="Fewest names that a pattern must match.")
    ] = rules.mining_limits.MIN_SUPPORT,
    min_precision: Annotated[
        float, typer.Option(min=0.5, max=1, help="Smallest share of its names for which a pattern must be right.")
    ] = rules.mining_limits.MIN_PRECISION,
    as_json: JsonOption = False,
) -> None:
    """Propose name patterns that the catalogue's models speak for: what listings and people stated, not names.

    Each comes with its support and its precision on names that were held back. Nothing is changed, except with
    `--shipped`, which takes the project's own facts instead of the catalogue and keeps only what is beyond doubt.
    """
    if shipped:
        learnt = rules.mining.learn_shipped(rules.mining.shipped_facts())
        _refuse_contradictions(learnt)
        rules.mining.LEARNT_FILE.write_text(rules.mining.learnt_text(learnt), encoding="utf-8")
        proposals, count = list(learnt.proposals), learnt.facts
    else:
        with catalog.database.open_catalog() as database, database.session() as session:
            stated = catalog.models.stated_capabilities(session)
            facts = [rules.mining.Fact(model_id, name, has, slug) for slug, model_id, name, has in stated]
        proposals = rules.mining.propose_patterns(facts, min_support=min_support, min_precision=min_precision)
        count = len(facts)
    if as_json:
        emit_json([proposal.to_json() for proposal in proposals])
        return
    draw(
        table(
            f"patterns learnt from {count} statements",
            ("capability", "pattern", "support", "providers", "held back", "precision", "for example"),
            (
                (
                    each.capability,
                    each.as_rule_pattern(),
                    each.support,
                    each.providers,
                    each.held_back,
                    None if each.precision is None else f"{each.precision:.0%}",
                    ", ".join(each.examples),
                )
                for each in proposals
            ),
            right=("support", "providers", "held back", "precision"),
        )
    )
    if shipped:
        _print_coverage(learnt)


def _refuse_contradictions(learnt: rules.mining.Learnt) -> None:
    problems = [*learnt.contradictions, *(f"{name}: capabilities that exclude each other" for name in learnt.overlaps)]
    if problems:
        raise ConfigurationError(
            f"the facts contradict what is shipped {len(problems)} times: {'; '.join(problems[:5])}",
            hint="correct rules/data/facts.toml or rules/data/families.toml; nothing was written",
        )


def _print_coverage(learnt: rules.mining.Learnt) -> None:
    draw(
        table(
            f"what the families alone decide of {learnt.facts} facts about models of {learnt.vendors} vendors",
            ("capability", "decided"),
            ((name, f"{share:.0%}") for name, share in learnt.coverage.items()),
            right=("decided",),
        )
    )


@app.command()
def check(
    slug: SlugArgument,
    file: Annotated[Path, typer.Argument(help="A response of this provider.", exists=True)],
    as_json: JsonOption = False,
) -> None:
    """Try a provider's active rule on a response, without writing anything. Exit code 1 when it does not fit."""
    with catalog.database.open_catalog() as database, database.session() as session:
        stored = catalog.rule_versions.active(session, catalog.providers.get(session, slug).id)
    result = rules.validator.RuleValidator().validate_rule(_stored(stored), read_json(file))
    if as_json:
        emit_json(result)
    else:
        models = len(result["extracted_models"])
        print_verdict(slug, valid=result["valid"], models=models, issues=result["issues"])
    raise typer.Exit(0 if result["valid"] else 1)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_PATTERNS else f"{text[:_SHOWN_PATTERNS]} ... (all of it with --json)"


def _stored(stored: catalog.rule_versions.StoredRuleVersion) -> dict[str, Any]:
    return {"model_list_config": stored.model_list_config, "endpoints_config": stored.endpoints_config}


def _document(generated: sync.repair.generate.GeneratedRule) -> dict[str, Any]:
    rule = generated.rule.to_stored()
    return {
        "provider": generated.slug,
        "version": generated.version,
        "activated": generated.activated,
        "reason": generated.reason,
        "models": generated.models,
        "model_list_config": rule.model_list_config,
        "endpoints_config": rule.endpoints_config,
        "metadata": generated.analysis["metadata"],
    }
