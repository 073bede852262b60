"""`provider-pipeline rules`: write, show, explain and try extraction rules, and learn patterns from facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provider_pipeline import catalog, listing, rules, sync
from provider_pipeline.cli import rule_edit, rule_versions
from provider_pipeline.cli.console import compact, draw, emit_json, fail, note, print_verdict, say, shortened, table
from provider_pipeline.cli.explain import LABELS, explanation, short_explanation
from provider_pipeline.cli.parameters import JsonOption, SlugArgument, complete_slug, read_json
from provider_pipeline.errors import ConfigurationError, InvalidRuleError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_RULE_PARTS = ("endpoint", "selector", "fields", "units", "pagination", "detail", "pattern_set")
_LINE = 54
"""Characters of a part that fit into a line of a terminal of 80."""
_SHORT_DIGEST = 12
_DEFAULT_PATH = "/v1/models"

app = typer.Typer(help="Explain, correct, generate and activate extraction rules.", no_args_is_help=True)
app.command("set")(rule_edit.set_parts)
app.command("edit")(rule_edit.edit_parts)
app.command()(rule_versions.versions)
app.command()(rule_versions.diff)
app.command()(rule_versions.activate)
app.command()(rule_versions.rollback)
app.add_typer(rule_versions.trial_app, name="trial")


@app.command()
def generate(
    slug: Annotated[
        str | None,
        typer.Argument(help="The provider; leave it out to print the rule only.", autocompletion=complete_slug),
    ] = None,
    from_files: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="A stored response to learn from, instead of fetching one; one per endpoint, in the same order.",
            exists=True,
        ),
    ] = None,
    endpoints: Annotated[
        list[str] | None,
        typer.Option(
            "--endpoint",
            metavar="PATH",
            help="The listing's path; default: as in the active rule, or /v1/models. Repeat it for a provider that "
            "lists its models at several places: the first one's values win.",
        ),
    ] = None,
    detail: Annotated[
        str | None,
        typer.Option(help="The path of one model's details, such as /v1/models/{id}, for a listing that says little."),
    ] = None,
    activate: Annotated[
        bool | None,
        typer.Option("--activate/--keep", help="Activate it or not; default: only if it is better than the old one."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a rule from a sample: a file, or the fetched listing.

    Exit code 1: the sample has no listing, the rule reads only a part of it, or the rule needs review because the
    generator was not sure of it.
    """
    place = sync.repair.candidates.ListingPlace
    given = [place(path) for path in endpoints or ()]
    files = from_files or []
    if slug is None:
        if not files:
            raise typer.BadParameter("name a provider, or give --from FILE")
        if len(files) == 1 and not given and detail is None:
            analysis = rules.generation.generator.RuleGenerator().analyze_sample(read_json(files[0]))
        else:
            places = _with_detail(given or [place(_DEFAULT_PATH)], detail)
            analysis = rules.generation.generator.RuleGenerator().analyze_endpoints(_read_samples(files, places))
        emit_json(analysis)
        _refuse_doubtful(analysis)
        return
    with catalog.database.open_catalog() as database, database.session() as session:
        known = given or sync.repair.candidates.active_places(session, slug)
        places = _with_detail(known or [place(_DEFAULT_PATH)], detail)
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
            if issue["severity"] != "info" or issue["type"] == "unread_fields":
                note(f"{issue['severity']}: {issue['message']}")
        say(f"{slug}: rule version {generated.version} ({state}: {generated.reason}), {generated.models} models")
    if generated.needs_review:
        fail(
            f"{slug}: rule version {generated.version} needs review",
            hint=f"activate it with: provider-pipeline rules activate {slug} {generated.version} --reason WHY",
        )
    if generated.needs_review or not generated.fits:
        raise typer.Exit(1)


def _refuse_doubtful(analysis: dict[str, Any]) -> None:
    """Exit with 1 after a rule of low confidence, or one of a sample without a listing."""
    if analysis["confidence"] < rules.generation.generator.CONFIDENT:
        doubts = [each for each in analysis["issues"] if each["type"] in ("no_listing_found", "ambiguous")]
        for each in doubts:
            fail(each["message"], hint=each["recovery"])
        raise typer.Exit(1)


def _with_detail(
    places: Sequence[sync.repair.candidates.ListingPlace], path: str | None
) -> Sequence[sync.repair.candidates.ListingPlace]:
    if path is None:
        return places
    if len(places) != 1:
        raise typer.BadParameter(f"--detail goes with one --endpoint, there are {len(places)}")
    try:
        return [sync.repair.candidates.ListingPlace(places[0].path, rules.document.Detail.at(path))]
    except InvalidRuleError as error:
        raise typer.BadParameter(f"--detail: {error.message}") from error


def _read_samples(
    files: Sequence[Path], places: Sequence[sync.repair.candidates.ListingPlace]
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
    session: Session, slug: str, files: Sequence[Path], places: Sequence[sync.repair.candidates.ListingPlace]
) -> tuple[list[rules.generation.samples.EndpointSample], int]:
    samples = _read_samples(files, places)
    names = ", ".join(file.name for file in files)
    return samples, sync.repair.generate.store_sample(
        session, slug, *(file.read_bytes() for file in files), url=f"sample:{names}"
    )


@app.command()
def show(
    slug: SlugArgument,
    full: Annotated[bool, typer.Option("--full", help="Cut nothing, and show where the rule came from.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Also show the name patterns, and cut nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a provider's active rule: where the models are, what fills each column, and what states a capability."""
    with catalog.database.open_catalog() as database, database.session() as session:
        provider_id = catalog.providers.get(session, slug).id
        stored = catalog.rule_versions.active(session, provider_id)
        rule = sync.plan.stored_rule(session, stored)
        stated = sync.repair.candidates.stated_parts(session, provider_id, rule)
    config, capabilities = stored.model_list_config, stored.endpoints_config
    if as_json:
        emit_json(
            {
                "provider": slug,
                "version": stored.version,
                "digest": stored.digest,
                "model_list_config": config,
                "endpoints_config": capabilities,
                "stated": stated.to_json(),
            }
        )
        return
    whole = full or every
    parts = config if full else {name: config[name] for name in _RULE_PARTS if config.get(name)}
    lines = {name: _part_lines(name, value) for name, value in parts.items()}
    lines |= {name: _pattern_lines(each["patterns"], every=every) for name, each in capabilities.items()}
    lines |= {"stated by a person": _part_lines("stated", stated.to_json())} if stated.to_json() else {}
    rows = (
        (name, [text if whole else shortened(text, _LINE) for text in texts]) for name, texts in lines.items() if texts
    )
    title = f"{slug}: rule version {stored.version}, digest {stored.digest[:_SHORT_DIGEST]}"
    draw(table(title, ("part", "rule"), rows))
    if not whole:
        note(f"patterns are left out, and long lines are cut; all of it: provider-pipeline rules show {slug} --all")


def _part_lines(name: str, value: Any) -> list[str]:
    """An object line by line; a list of endpoints endpoint by endpoint."""
    if name == "endpoint" and isinstance(value, list):
        return [f"{each['endpoint']}: {line}" for each in value for line in _part_lines("", each)]
    if isinstance(value, dict):
        return [f"{key}: {compact(each)}" for key, each in value.items()]
    return [compact(value)]


def _pattern_lines(patterns: Mapping[str, Any], *, every: bool) -> list[str]:
    predicates = [label + text for kind, label in LABELS.items() for text in patterns.get(kind, ())]
    tables = [f"table {compact(patterns['lookup_table'])}"] if patterns.get("lookup_table") else []
    names = patterns.get("regex", ())
    return [*predicates, *tables, *(names if every else [f"name patterns: {len(names)}"] if names else [])]


@app.command()
def explain(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FILE|SLUG",
            help="A response to write a rule for (a body, or what `raw export` wrote), or a provider.",
            autocompletion=complete_slug,
        ),
    ],
    every: Annotated[
        bool, typer.Option("--all", help="Also show the alternatives with their scores, and the capabilities.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show where each column comes from, with an example, and what no part of the rule reads.

    Exit code 1: the file has no listing.
    """
    if Path(target).is_file():
        pages = sync.archive.exported_pages(Path(target))
        if pages is None:
            pages = [(0, read_json(Path(target)))]
        firsts: dict[int, Any] = {}
        for place, document in pages:
            firsts.setdefault(place, document)
        samples = [rules.generation.samples.EndpointSample(document) for document in firsts.values()]
        rule = rules.document.ExtractionRule.parse(
            rules.generation.generator.RuleGenerator().analyze_endpoints(samples)
        )
        stated = rules.stated_rule.StatedRule()
    elif "/" in target or target.endswith(".json"):
        raise typer.BadParameter(f"there is no file {target!r}", param_hint="FILE|SLUG")
    else:
        with catalog.database.open_catalog() as database, database.session() as session:
            rule = rule_edit.active_rule(session, target)
            provider_id = catalog.providers.get(session, target).id
            stated = sync.repair.candidates.stated_parts(session, provider_id, rule)
            newest = sync.repair.edit.newest_response(session, provider_id)
            pages = []
            for place in range(len(rule.endpoints)):
                first = [] if newest is None else sync.plan.first_pages(newest, place, 1)
                pages += [(place, document) for document in first]
    explained = rules.generation.explain.explain_rule(rule)
    explained["columns"] = rules.generation.explain.column_sources(rule, pages, stated)
    if as_json:
        emit_json(explained)
    else:
        draw(*(explanation if every else short_explanation)(target, explained))
        if not every:
            note(f"the alternatives and the capabilities: provider-pipeline rules explain {target} --all")
    if any(each["type"] == "no_listing_found" for each in explained["issues"]):
        raise typer.Exit(1)


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
    """Propose name patterns from what listings and people stated about the catalogue's models.

    Each comes with its support, and its precision on names that were held out. Nothing is changed, except with
    `--shipped`, which learns from the project's own facts and keeps only patterns without a counterexample.
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
    numbers = ("support", "providers", "held back", "precision")
    rows = (
        (
            *(each.capability, each.as_rule_pattern(), each.support, each.providers, each.held_back),
            *(None if each.precision is None else f"{each.precision:.0%}", ", ".join(each.examples)),
        )
        for each in proposals
    )
    columns = ("capability", "pattern", *numbers, "for example")
    draw(table(f"patterns learnt from {count} statements", columns, rows, right=numbers))
    if shipped:
        title = f"what the families alone decide of {learnt.facts} facts about models of {learnt.vendors} vendors"
        coverage = ((name, f"{share:.0%}") for name, share in learnt.coverage.items())
        draw(table(title, ("capability", "decided"), coverage, right=("decided",)))


def _refuse_contradictions(learnt: rules.mining.Learnt) -> None:
    problems = [*learnt.contradictions, *(f"{name}: capabilities that exclude each other" for name in learnt.overlaps)]
    if problems:
        raise ConfigurationError(
            f"the facts contradict what is shipped {len(problems)} times: {'; '.join(problems[:5])}",
            hint="correct rules/data/facts.toml or rules/data/families.toml; nothing was written",
        )


@app.command()
def check(
    slug: SlugArgument,
    file: Annotated[Path, typer.Argument(help="A response of this provider.", exists=True)],
    as_json: JsonOption = False,
) -> None:
    """Try a provider's active rule on a response, writing nothing. Exit code 1 if it does not fit."""
    with catalog.database.open_catalog() as database, database.session() as session:
        rule = rule_edit.active_rule(session, slug)
    result = rules.validator.RuleValidator().validate_rule(rule, read_json(file))
    if as_json:
        emit_json(result)
    else:
        models = len(result["extracted_models"])
        print_verdict(slug, valid=result["valid"], models=models, issues=result["issues"])
    raise typer.Exit(0 if result["valid"] else 1)


def _document(generated: sync.repair.generate.GeneratedRule) -> dict[str, Any]:
    rule = generated.rule.to_stored()
    return {
        "provider": generated.slug,
        **{name: getattr(generated, name) for name in ("version", "activated", "reason", "needs_review", "models")},
        "model_list_config": rule.model_list_config,
        "endpoints_config": rule.endpoints_config,
        "metadata": generated.analysis["metadata"],
    }
