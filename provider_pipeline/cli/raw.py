"""`provider-pipeline raw`: list, show, carry, replay, mask and prune the stored responses."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from provider_pipeline import catalog, listing, sync
from provider_pipeline.cli.console import (
    change_lines,
    draw,
    draw_list,
    emit_json,
    iso,
    named_as_in_the_api,
    note,
    print_verdict,
    say,
    say_lines,
    table,
)
from provider_pipeline.cli.parameters import JsonOption, OptionalSlugArgument, SlugArgument
from provider_pipeline.errors import CatalogError, ListingUnreadableError

app = typer.Typer(help="Look at, replay and carry over stored responses.", no_args_is_help=True)

_Id = Annotated[int, typer.Argument(metavar="ID", help="The response, as `raw list` numbers it.")]


@app.command("list")
def list_all(
    slug: OptionalSlugArgument = None,
    as_json: JsonOption = False,
) -> None:
    """List the stored responses, the latest first."""
    with catalog.database.open_catalog() as database, database.session() as session:
        if slug is not None:
            catalog.providers.get(session, slug)
        found = [_document(each) for each in catalog.raw_responses.list_raw_responses(session, slug)]
    if as_json:
        emit_json(found)
        return
    columns = ("id", "provider", "first fetched", "last fetched", "pages", "bytes", "sha256", "")
    names = ("id", "provider", "fetched_at", "last_fetched_at", "page_count", "byte_count")
    rows = ((*(each[name] for name in names), each["sha256"][:12], _state(each)) for each in found)
    drawn = table("stored responses", columns, rows, right=("id", "pages", "bytes"))
    draw_list(drawn, empty="no response is stored")


@app.command()
def show(
    raw_response_id: _Id,
    page: Annotated[int | None, typer.Option("--page", min=1, help="Only this page, counted from 1.")] = None,
    body: Annotated[bool, typer.Option("--body", help="Print only the body: that page's, or the first's.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a stored response: its pages, or the body of one."""
    with catalog.database.open_catalog() as database, database.session() as session:
        document = _document(catalog.raw_responses.get(session, raw_response_id))
        pages: list[dict[str, Any]] = []
        for position, each in enumerate(catalog.raw_responses.stored_pages(session, raw_response_id), start=1):
            if position == (page or 1) and body:
                _print_body(each.content)
                return
            if page in (None, position):
                pages.append(_page_document(position, each))
    if not pages or body:
        raise CatalogError(f"raw response {raw_response_id} has no page {page}", hint=f"{document['page_count']} pages")
    if as_json:
        emit_json(document | {"pages": pages})
        return
    numbers = ("page", "endpoint", "number", "status", "bytes")
    columns = (*numbers, "url", "headers")
    rows = (
        (
            *(each[name] for name in numbers),
            each["url"],
            [f"{name}: {value}" for name, value in each["headers"].items()],
        )
        for each in pages
    )
    draw(
        table(f"raw response {raw_response_id}", ("", "value"), document.items()),
        table("pages", columns, rows, right=numbers),
    )


@app.command()
def export(raw_response_id: _Id, file: Annotated[Path, typer.Argument(help="Where to write it.")]) -> None:
    """Write a stored response into one JSON file, for `raw import` into any catalogue."""
    with catalog.database.open_catalog() as database, database.session() as session:
        parts = sync.archive.exported(session, raw_response_id)
        first = next(parts)  # raises, before the file is made, if there is no such response
        with file.open("w", encoding="ascii") as opened:
            opened.write(first)
            opened.writelines(parts)
    note(f"wrote {file}")


@app.command("import")
def import_file(
    slug: SlugArgument,
    file: Annotated[Path, typer.Argument(help="What `raw export` wrote, or a plain body.", exists=True)],
    as_json: JsonOption = False,
) -> None:
    """Store a response from a file."""
    with catalog.database.open_catalog() as database, database.session() as session:
        stored = sync.archive.import_response(session, slug, file)
        session.commit()
    if as_json:
        emit_json(asdict(stored))
    else:
        state = "stored" if stored.is_new else "was stored already"
        say(f"{slug}: raw response {stored.id} {state}, {stored.page_count} pages")


@app.command()
def replay(
    raw_response_ids: Annotated[
        list[int], typer.Argument(metavar="ID", help="The responses, as `raw list` numbers them.")
    ],
    version: Annotated[int | None, typer.Option(help="The rule version; default: the active one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Apply a rule to stored responses offline, writing nothing. Exit code 1 if it does not fit one of them.

    Shows what syncing each response would change now. It is not compared with the last accepted listing. Several
    responses take much less time together than one by one; as JSON, they are a list.
    """
    with catalog.database.open_catalog() as database, database.session() as session:
        replayed = list(sync.replay.replay_responses(session, raw_response_ids, lambda _: version))
    if as_json:
        documents = [named_as_in_the_api(each.to_json()) for each in replayed]
        emit_json(documents[0] if len(documents) == 1 else documents)
    else:
        for each in replayed:
            _print_replay(each)
    raise typer.Exit(0 if all(each.valid for each in replayed) else 1)


@app.command()
def mask(
    slug: OptionalSlugArgument = None,
    as_json: JsonOption = False,
) -> None:
    """Mask the keys in stored responses as in those that are fetched now, for instance after an upgrade.

    A provider's own keys are masked too, where its variables are set. A listing that is masked is compared anew by the
    next sync.
    """
    with catalog.database.open_catalog() as database, database.session() as session:
        everyone = catalog.providers.list_providers(session, enabled_only=False) if slug is None else []
        slugs = [slug] if slug is not None else [each.slug for each in everyone]
        masked = {}
        for each in slugs:
            masked[each] = sync.masking.mask_stored(session, each)
            session.commit()
    if as_json:
        emit_json(masked)
    else:
        say(f"{sum(map(len, masked.values()))} responses of {len(masked)} providers masked")


@app.command()
def prune(
    slug: OptionalSlugArgument = None,
    as_json: JsonOption = False,
) -> None:
    """Delete responses beyond the limits set with `providers add --keep-responses --keep-days`.

    A rule's sample, a task's response and the last accepted one always stay.
    """
    with catalog.database.open_catalog() as database, database.session() as session:
        providers = (
            catalog.providers.list_providers(session, enabled_only=False)
            if slug is None
            else [catalog.providers.get(session, slug)]
        )
        pruned = {}
        for provider in providers:
            catalog.providers.lock(session, provider.id)
            pruned[provider.slug] = catalog.raw_responses.prune(session, provider.id)
            session.commit()
    if as_json:
        emit_json(pruned)
    else:
        say(f"{sum(pruned.values())} responses of {len(pruned)} providers deleted")


def _document(stored: catalog.raw_responses.RawResponse) -> dict[str, Any]:
    return {
        "id": stored.id,
        "provider": stored.slug,
        "complete": stored.complete,
        "accepted": stored.accepted,
        "fetched_at": iso(stored.fetched_at),
        "last_fetched_at": iso(stored.last_fetched_at),
        **{name: getattr(stored, name) for name in ("page_count", "byte_count", "sha256")},
    }


def _state(document: dict[str, Any]) -> Text:
    if document["accepted"]:
        return Text("last accepted", style="green")
    return Text("" if document["complete"] else "a part")


def _page_document(position: int, page: catalog.raw_responses.StoredPage) -> dict[str, Any]:
    return {
        "page": position,
        "endpoint": page.endpoint,
        "number": page.number,
        "url": page.url,
        "status": page.status,
        "headers": dict(page.headers),
        "bytes": len(page.content),
    }


def _print_body(content: bytes) -> None:
    """The unchanged bytes to a file or pipe; to a terminal, with control characters escaped."""
    if not sys.stdout.isatty():
        sys.stdout.buffer.write(content)
        return
    try:
        shown = json.dumps(listing.documents.parse_document(content, where="the page", content_type=None), indent=2)
    except ListingUnreadableError:
        shown = content.decode("utf-8", "replace")
    say_lines(shown)


def _print_replay(replayed: sync.replay.Replay) -> None:
    print_verdict(
        f"{replayed.slug}: rule version {replayed.rule_version} on raw response {replayed.raw_response_id}",
        valid=replayed.valid,
        models=replayed.models,
        issues=replayed.issues,
    )
    difference = replayed.difference
    if difference is None:
        return
    gone = difference.missing + difference.removed
    say(
        f"written now, it would add {difference.created} models, rename {difference.renamed}, change "
        f"{difference.updated}, bring back {difference.restored}, miss {gone}, and leave {difference.unchanged} alone"
    )
    for line in change_lines(difference.changes, difference.total_changes):
        say(f"  {line}")
