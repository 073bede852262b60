"""`provider-pipeline providers add`: a preset, a file, or any address."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from provider_pipeline import catalog, listing, presets, sync
from provider_pipeline.cli.console import emit_json, note, say
from provider_pipeline.cli.parameters import JsonOption, complete_preset
from provider_pipeline.cli.provider_apply import print_done
from provider_pipeline.cli.provider_input import (
    HeadersOption,
    KeyEnvOption,
    KeyHeaderOption,
    NewHostsOption,
    ask_values,
    auth_of_json,
    auth_of_options,
    choose_preset,
    is_interactive,
    threshold_of,
)
from provider_pipeline.errors import ModelSyncerError, RuleValidationError, UnknownValueError

_REQUESTS = "How it is asked, with --base-url"
_ADDRESSES = "Addresses that are refused unless you allow them, with --base-url"
_JUDGED = "How its listings are judged and kept, with --base-url"
_WITHOUT_URL = frozenset({"preset", "file", "from_environment", "new_slug", "settings", "new_hosts", "as_json"})


def add(
    ctx: typer.Context,
    preset: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A preset; or, with --base-url, the slug of your own provider, or a preset to keep all but its "
            "address. At a terminal, leave it out to choose a preset from a list.",
            autocompletion=complete_preset,
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Your own provider file (docs/provider-files.md).", dir_okay=False)
    ] = None,
    from_environment: Annotated[
        bool, typer.Option("--from-environment", help="Every preset whose key variable is set.")
    ] = False,
    new_slug: Annotated[
        str | None, typer.Option("--as", metavar="SLUG", help="Register the preset, or the file, under another slug.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="A value that the preset needs, such as region; may be repeated."
        ),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            help="Address of its API, such as https://api.acme.example; the options below go only with this one. With "
            "a preset, the same kind of API at another address."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Its name; default: the slug.")] = None,
    key_env: KeyEnvOption = None,
    key_file: Annotated[
        str | None, typer.Option(help="File that holds its key, such as a mounted secret; instead of --key-env.")
    ] = None,
    key_header: KeyHeaderOption = None,
    key_query: Annotated[str | None, typer.Option(help="Query parameter that carries the key.")] = None,
    auth: Annotated[
        str | None,
        typer.Option(
            metavar="JSON",
            help="Any kind of authentication (see docs/authentication.md), instead of the options about keys and "
            "headers.",
        ),
    ] = None,
    header: HeadersOption = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER",
            help="How far a listing may stray (see docs/rules.md); may be repeated.",
            rich_help_panel=_JUDGED,
        ),
    ] = None,
    allow_private: Annotated[
        bool | None,
        typer.Option(
            help="Allow private, loopback and link-local addresses, over plain http too.", rich_help_panel=_ADDRESSES
        ),
    ] = None,
    allow_http: Annotated[
        bool | None,
        typer.Option(
            help="Allow plain http to a public address: its key can be read on the way.", rich_help_panel=_ADDRESSES
        ),
    ] = None,
    requests_per_second: Annotated[
        float | None, typer.Option(metavar="N", help="Maximum rate of requests to its host.", rich_help_panel=_REQUESTS)
    ] = None,
    deadline: Annotated[
        float | None,
        typer.Option(
            metavar="N", help="Seconds that one listing may take, with all its pages.", rich_help_panel=_REQUESTS
        ),
    ] = None,
    every_minutes: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Shortest time between two syncs; default: every fleet run.",
            rich_help_panel=_REQUESTS,
        ),
    ] = None,
    keep_responses: Annotated[
        int | None,
        typer.Option(min=1, help="How many of its listings are kept; default: 20.", rich_help_panel=_JUDGED),
    ] = None,
    keep_days: Annotated[
        int | None,
        typer.Option(
            min=1, help="How long a listing is kept; default: as long as the number allows.", rich_help_panel=_JUDGED
        ),
    ] = None,
    new_hosts: NewHostsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a provider, or change the one with this slug.

    For an existing provider, thresholds and --keep-* options that are left out keep their values, and so do
    --allow-private, --allow-http, --requests-per-second and --deadline if all four are left out. A key that so far went
    to another host is sent to this one only with --new-host.
    """
    if sum((base_url is not None, file is not None, from_environment)) > 1:
        raise typer.BadParameter("give one of --base-url, --file and --from-environment")
    if base_url is None:
        _refuse_options(ctx)
        wanted = _wanted(preset, file, settings or [], new_slug, from_environment=from_environment)
        _register(wanted, new_hosts or [], as_json=as_json)
        return
    if preset is None:
        raise typer.BadParameter("--base-url goes with a preset, or with the slug of your own provider")
    if "://" not in base_url:
        raise typer.BadParameter(f"{base_url!r} lacks its http:// or https://", param_hint="--base-url")
    known = presets.library.presets().get(preset)
    if known is None and (new_slug or settings):
        raise typer.BadParameter(f"--as and --set go with a preset, and {preset!r} is none")
    slug = new_slug or preset
    thresholds = dict(threshold_of(each) for each in threshold or [])
    sync.plan.parse_thresholds(slug, thresholds)
    document: dict[str, Any] | None
    if known is not None and auth is None and not (key_header or key_query):
        document = _auth_of_preset(known, key_env, key_file, header or [])
    elif auth is None:
        document = auth_of_options(key_env, key_file, key_header, key_query, header or [])
    elif key_env or key_file or key_header or key_query or header:
        raise typer.BadParameter("give --auth, or the options about keys and headers, not both")
    else:
        document = auth_of_json(auth)
    limits = {"requests_per_second": requests_per_second, "deadline": deadline}
    options = {"allow_private": allow_private, "allow_http": allow_http, **limits}
    given = {setting: value for setting, value in options.items() if value is not None}
    policy = listing.policy.RequestPolicy.parse(given, slug=slug).model_dump(mode="json", exclude_defaults=True)
    keep = timedelta(days=keep_days) if keep_days else None
    if known is not None:
        overrides: dict[str, Any] = {
            **({"name": name} if name else {}),
            **({"auth": document, "works_without_key": False} if document is not None else {}),
            **({"request": known.request.model_dump(mode="json", exclude_defaults=True) | given} if given else {}),
            **({"thresholds": known.thresholds | thresholds} if thresholds else {}),
            **({"check_every": f"{every_minutes}m"} if every_minutes else {}),
        }
        moved = presets.requested.at_base_url(known, base_url, overrides)
        there = presets.requested.requested_provider(moved, os.environ, dict(map(_setting, settings or [])))
        _register(
            [presets.requested.with_slug(there, slug)],
            new_hosts or [],
            as_json=as_json,
            raw_keep_count=keep_responses,
            raw_keep_for=keep,
        )
        return
    auth_config = listing.auth.kinds.AuthConfig.parse(document or {}, slug=slug)
    with catalog.database.open_catalog() as database, database.session() as session:
        sync.key_hosts.refuse_new_hosts(slug, sync.key_hosts.new_hosts(session, base_url, auth_config), new_hosts or [])
        provider = catalog.providers.add(
            session,
            slug=slug,
            name=name or slug,
            base_url=base_url,
            auth_config=auth_config.model_dump(mode="json", exclude_defaults=True),
            request_config=policy if given else None,
            check_every=timedelta(minutes=every_minutes) if every_minutes else None,
            thresholds=thresholds or None,
            raw_keep_count=keep_responses,
            raw_keep_for=keep,
        )
        sync.plan.listing_source(provider, [listing.endpoints.ListingEndpoint()])  # raises if no sync could use it
        session.commit()
        has_rule = provider.active_rule_version is not None
    step = None if has_rule else f"provider-pipeline rules generate {slug}"
    if as_json:
        emit_json([{"provider": slug, "next": step}])
    else:
        say(f"{slug}: added{f'; next: {step}' if step else ''}")


def _auth_of_preset(
    preset: presets.model.ProviderFile, key_env: str | None, key_file: str | None, headers: list[str]
) -> dict[str, Any] | None:
    """A preset's way to authorise with another key or further headers; None to leave it as it is."""
    given = auth_of_options(key_env, key_file, None, None, headers)
    place = {part: given[part] for part in ("env", "file") if part in given}
    if not place and "headers" not in given:
        return None
    kept = {part: value for part, value in preset.auth.items() if not place or part not in ("env", "file")}
    if kept["type"] == "none" and place:
        kept["type"] = given["type"]
    more = {"headers": kept.get("headers", {}) | given["headers"]} if "headers" in given else {}
    return kept | place | more


def _refuse_options(ctx: typer.Context) -> None:
    for name in ctx.params:
        source = ctx.get_parameter_source(name)
        if name not in _WITHOUT_URL and source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(
                f"--{name.replace('_', '-')} goes with --base-url; for anything else, write a provider file"
            )


def _wanted(
    preset: str | None, file: Path | None, settings: list[str], new_slug: str | None, *, from_environment: bool
) -> list[presets.requested.RequestedProvider]:
    if from_environment:
        if preset or new_slug or settings:
            raise typer.BadParameter("--from-environment goes alone")
        return _by_keys()
    if preset is not None and file is not None:
        raise typer.BadParameter("a file names its own slug; to use another, give --as")
    values = dict(_setting(each) for each in settings)
    if file is not None:
        found = presets.library.load_provider_file(file)
    elif preset is not None:
        found = _preset(preset)
    elif is_interactive():
        found = choose_preset()
        values = ask_values(found, os.environ) | values
    else:
        raise typer.BadParameter("name a preset, or give --file, --from-environment or --base-url")
    wanted = presets.requested.requested_provider(found, os.environ, values)
    return [wanted if new_slug is None else presets.requested.with_slug(wanted, new_slug)]


def _preset(name: str) -> presets.model.ProviderFile:
    try:
        return presets.library.find_preset(name)
    except UnknownValueError as error:
        hint = f"{error.hint}; your own provider needs --base-url or --file"
        raise UnknownValueError(error.message, hint=hint) from error


def _by_keys() -> list[presets.requested.RequestedProvider]:
    wanted, incomplete = presets.requested.presets_with_keys(os.environ)
    for error in incomplete:
        note(f"not added: {error}")
    if not wanted:
        note("no preset's key variable is set; `providers add NAME` says which one it needs")
    return wanted


def _register(
    wanted: list[presets.requested.RequestedProvider],
    new_hosts: list[str],
    *,
    as_json: bool,
    raw_keep_count: int | None = None,
    raw_keep_for: timedelta | None = None,
) -> None:
    with catalog.database.open_catalog() as database, database.session() as session:
        plan = presets.plan.plan_providers(session, wanted, environ=os.environ)
        presets.registration.apply_plan(session, plan, new_hosts=new_hosts)
        for each in wanted if raw_keep_count or raw_keep_for else ():
            stored = catalog.providers.get(session, each.file.slug)
            catalog.providers.add(
                session,
                slug=stored.slug,
                name=stored.name,
                base_url=stored.base_url,
                auth_config=stored.auth_config,
                raw_keep_count=raw_keep_count,
                raw_keep_for=raw_keep_for,
            )
        session.commit()
        if plan.without_rule and all(each.missing is None for each in plan.providers):
            try:
                plan = presets.registration.write_first_rules(session, plan, client=listing.client.ListingClient())
                session.commit()
            except (ModelSyncerError, RuleValidationError) as error:
                session.rollback()
                note(f"it has no rule yet: {error}")
    if as_json:
        emit_json([each.to_json() for each in plan.providers])
    else:
        print_done(plan)


def _setting(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name or not value:
        raise typer.BadParameter(f"expected --set NAME=VALUE, got {text!r}")
    return name, value
