"""The options of `providers add --base-url`: from what was typed to documents that are stored.

Here: reading options, and refusing those that do not go together. Not here: the command (`provider_add`), and what the
documents mean (`provider_pipeline.listing`).
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

NewHostsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--new-host",
        metavar="HOST",
        help="A host, as the error names it, that may get a key which went to other hosts so far; may be repeated.",
    ),
]


def auth_of_options(
    key_env: str | None, key_file: str | None, key_header: str | None, key_query: str | None, headers: list[str]
) -> dict[str, Any]:
    """The authorisation that the options about keys and headers describe, as it is stored."""
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


def auth_of_json(text: str) -> dict[str, Any]:
    """The authorisation that --auth gives, as it is stored."""
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


def threshold_of(text: str) -> tuple[str, float]:
    """A threshold and its value."""
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise typer.BadParameter(f"expected --threshold NAME=NUMBER, got {text!r}") from None
