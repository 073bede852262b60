"""`provider-pipeline providers`: who is asked for models."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.cli import provider_check
from provider_pipeline.cli.console import JsonOption, emit_json, stdout, table
from provider_pipeline.listing import AuthConfig, ListingEndpoint, RequestPolicy
from provider_pipeline.sync import listing_source, parse_thresholds

app = typer.Typer(help="The providers.", no_args_is_help=True)
app.command()(provider_check.check)


@app.command()
def add(
    slug: str,
    base_url: Annotated[str, typer.Option(help="Where its API is, such as https://api.openai.com")],
    name: Annotated[str | None, typer.Option(help="Its name; the slug when left out.")] = None,
    key_env: Annotated[
        str | None, typer.Option(help="Environment variable that holds its key. The key itself is never stored.")
    ] = None,
    key_file: Annotated[
        str | None, typer.Option(help="File that holds its key, such as a mounted secret; in place of --key-env.")
    ] = None,
    key_header: Annotated[
        str | None, typer.Option(help="Header that carries the key; Authorization: Bearer when left out.")
    ] = None,
    key_query: Annotated[str | None, typer.Option(help="Query parameter that carries the key.")] = None,
    auth: Annotated[
        str | None,
        typer.Option(
            metavar="JSON",
            help="Any kind of authentication, as a document (see docs/authentication.md); in place of the options "
            "about keys and headers.",
        ),
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(help="A further header without secrets, as NAME=VALUE; may be repeated.")
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(help="How far a listing may stray, as NAME=NUMBER (see docs/rules.md); may be repeated."),
    ] = None,
    allow_private: Annotated[
        bool | None,
        typer.Option(help="Ask it at a private, loopback or link-local address too, by plain http if its URL says so."),
    ] = None,
    allow_http: Annotated[
        bool | None, typer.Option(help="Ask it by plain http at a public address: its key can be read on the way.")
    ] = None,
    requests_per_second: Annotated[float | None, typer.Option(help="Most requests per second to its host.")] = None,
    deadline: Annotated[float | None, typer.Option(help="Seconds that one whole listing may take.")] = None,
    every_minutes: Annotated[
        int | None, typer.Option(min=1, help="Shortest time between two syncs; every fleet run when left out.")
    ] = None,
    keep_responses: Annotated[
        int | None, typer.Option(min=1, help="How many of its listings are kept; 20 when never given.")
    ] = None,
    keep_days: Annotated[
        int | None,
        typer.Option(min=1, help="How long a listing is kept; for ever within that number when never given."),
    ] = None,
) -> None:
    """Add a provider, or change the one with this slug.

    Of an existing provider, thresholds and limits on what is kept stay as they are if they are left out, and so do
    --allow-private, --allow-http, --requests-per-second and --deadline if all of them are left out.
    """
    thresholds = dict(_threshold(each) for each in threshold or [])
    parse_thresholds(slug, thresholds)
    if auth is None:
        document = _auth_of_options(key_env, key_file, key_header, key_query, header or [])
    elif key_env or key_file or key_header or key_query or header:
        raise typer.BadParameter("give --auth, or the options about keys and headers, not both")
    else:
        document = _auth_of_json(auth)
    auth_config = AuthConfig.parse(document, slug=slug).model_dump(mode="json", exclude_defaults=True)
    asked = {
        "allow_private": allow_private,
        "allow_http": allow_http,
        "requests_per_second": requests_per_second,
        "deadline": deadline,
    }
    given = {setting: value for setting, value in asked.items() if value is not None}
    policy = RequestPolicy.parse(given, slug=slug).model_dump(mode="json", exclude_defaults=True)
    with catalog.open_catalog() as database, database.session() as session:
        provider = catalog.add_provider(
            session,
            slug=slug,
            name=name or slug,
            base_url=base_url,
            auth_config=auth_config,
            request_config=policy if given else None,
            check_every=timedelta(minutes=every_minutes) if every_minutes else None,
            thresholds=thresholds or None,
            raw_keep_count=keep_responses,
            raw_keep_for=timedelta(days=keep_days) if keep_days else None,
        )
        listing_source(provider, [ListingEndpoint()])  # refuses what no sync could ask
        session.commit()
        has_rule = provider.active_rule_version is not None
    typer.echo(f"{slug}: added" + ("" if has_rule else f"; next: provider-pipeline rules generate {slug}"))


@app.command("list")
def list_all(as_json: JsonOption = False) -> None:
    """List the providers, disabled ones too."""
    with catalog.open_catalog() as database, database.session() as session:
        found = [_document(session, each) for each in catalog.list_providers(session, enabled_only=False)]
    if as_json:
        emit_json(found)
        return
    stdout().print(
        table(
            "providers",
            ("slug", "name", "enabled", "rule", "models", "last success", "failures", "base URL"),
            (
                (
                    each["slug"],
                    each["name"],
                    Text("yes", style="green") if each["enabled"] else Text("no", style="yellow"),
                    each["rule_version"],
                    each["active_models"],
                    each["last_success_at"],
                    each["consecutive_failures"],
                    each["base_url"],
                )
                for each in found
            ),
            right=("rule", "models", "failures"),
        )
    )


@app.command()
def show(slug: str, as_json: JsonOption = False) -> None:
    """Show one provider: its settings, its state, its models."""
    with catalog.open_catalog() as database, database.session() as session:
        provider = catalog.get_provider(session, slug)
        document = _document(session, provider)
        models = catalog.load_models(session, provider.id)
    if as_json:
        emit_json(document | {"models": models})
        return
    console = stdout()
    console.print(table(slug, ("setting", "value"), document.items()))
    console.print(
        table(
            "models",
            ("model", "family", "context", "max output", "USD/M in", "USD/M out", "capabilities", "status"),
            (
                (
                    model["model_id"],
                    model["family"],
                    model["context_length"],
                    model["max_output_tokens"],
                    model["input_price"],
                    model["output_price"],
                    " ".join(sorted(name for name, has in model["capabilities"].items() if has)),
                    model["status"],
                )
                for model in models
            ),
            right=("context", "max output", "USD/M in", "USD/M out"),
        )
    )


@app.command()
def disable(slug: str) -> None:
    """Stop syncing a provider; its rows stay."""
    _set_enabled(slug, enabled=False)


@app.command()
def enable(slug: str) -> None:
    """Sync a provider again."""
    _set_enabled(slug, enabled=True)


def _set_enabled(slug: str, *, enabled: bool) -> None:
    with catalog.open_catalog() as database, database.session() as session:
        catalog.set_enabled(session, slug, enabled)
        session.commit()
    typer.echo(f"{slug}: {'enabled' if enabled else 'disabled; its rows stay'}")


def _auth_of_options(
    key_env: str | None, key_file: str | None, key_header: str | None, key_query: str | None, headers: list[str]
) -> dict[str, Any]:
    if key_env and key_file:
        raise typer.BadParameter("give --key-env or --key-file, not both")
    if (key_header or key_query) and not (key_env or key_file):
        raise typer.BadParameter("--key-header and --key-query need --key-env or --key-file, where the key is")
    if key_header and key_query:
        raise typer.BadParameter("give --key-header or --key-query, not both")
    document: dict[str, Any] = {"type": "none"}
    if key_query:
        document = {"type": "query", "name": key_query}
    elif key_header:
        document = {"type": "header", "name": key_header}
    elif key_env or key_file:
        document = {"type": "bearer"}
    if key_env:
        document["env"] = key_env
    if key_file:
        document["file"] = str(Path(key_file).absolute())
    if headers:
        document["headers"] = dict(_header(each) for each in headers)
    return document


def _auth_of_json(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        # Not quoted: somebody may have put a key there.
        raise typer.BadParameter('--auth is not a JSON object; expected such as {"type": "bearer", "env": "MY_KEY"}')
    return document


def _header(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name:
        raise typer.BadParameter(f"expected --header NAME=VALUE, got {text!r}")
    return name, value


def _threshold(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise typer.BadParameter(f"expected --threshold NAME=NUMBER, got {text!r}") from None


def _document(session: Session, provider: catalog.Provider) -> dict[str, Any]:
    state = catalog.get_sync_state(session, provider.id)
    return {
        "slug": provider.slug,
        "name": provider.name,
        "enabled": provider.enabled,
        "base_url": provider.base_url,
        "auth": provider.auth_config,
        "requests": provider.request_config,
        "thresholds": provider.thresholds,
        "keep_responses": provider.raw_keep_count,
        "keep_days": provider.raw_keep_for.days if provider.raw_keep_for else None,
        "rule_version": provider.active_rule_version,
        "active_models": catalog.count_models(session, provider.id),
        "last_checked_at": _iso(state.last_checked_at),
        "last_success_at": _iso(state.last_success_at),
        "consecutive_failures": state.consecutive_failures,
        "last_error": state.last_error,
    }


def _iso(moment: Any) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
