"""The application: its commands, and how an error is printed."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

import typer
from typer.core import TyperArgument, TyperGroup, TyperOption
from typer.main import get_group

from provider_pipeline.cli.console import EXIT_CODES, EXIT_TROUBLE, EXIT_USAGE, fail, say
from provider_pipeline.errors import NoSuchEntryError, ProviderPipelineError, UnknownProviderError, UnknownValueError
from provider_pipeline.gc_tuning import loading_modules, relaxed_gc

if TYPE_CHECKING:
    from typer._click import Command

_UNKNOWN_NAME: Final = (NoSuchEntryError, UnknownProviderError, UnknownValueError)
_PANELS: Final = {
    "Start here": {
        "demo": "demo:demo",
        "providers": "providers:app",
        "sync": "sync:sync_providers",
        "dev": "dev:dev",
    },
    "Find models": {
        "models": "models:app",
        "offers": "offers:list_offers",
        "changes": "changes:changes",
        "export": "export:export_models",
    },
    "Correct and decide": {
        "overrides": "overrides:app",
        "tasks": "tasks:app",
        "rules": "rules:app",
        "patterns": "patterns:app",
        "raw": "raw:app",
    },
    "Run and look after": {
        "doctor": "doctor:doctor",
        "api": "api:serve",
        "mcp": "mcp:serve",
        "tokens": "api:tokens_app",
        "notifications": "changes:notifications",
        "db": "database:app",
        "backup": "backup:backup",
        "restore": "backup:restore",
    },
}
"""The commands as the help shows them, with their modules and functions or groups."""
_PLACES: Final = {
    name: (panel, *place.split(":")) for panel, commands in _PANELS.items() for name, place in commands.items()
}


class _Commands(Mapping[str, "Command"]):
    """The commands, each loaded when it is looked up: most runs need one."""

    def __getitem__(self, name: str) -> Command:
        return _command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


@cache
def _command(name: str) -> Command:
    panel, module, attribute = _PLACES[name]
    with loading_modules():
        found = getattr(import_module(f"provider_pipeline.cli.{module}"), attribute)
    alone = typer.Typer()
    if isinstance(found, typer.Typer):
        alone.add_typer(found, name=name, rich_help_panel=panel)
    else:
        alone.command(name, rich_help_panel=panel)(found)
    command = get_group(alone).commands[name]
    _tidy(command)
    return command


class _Group(TyperGroup):
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.commands = _Commands()  # type: ignore[assignment]  # nothing adds any

    def get_params(self, ctx: Any) -> list[Any]:
        """Its options; those for completion are added after it was made."""
        found: list[Any] = super().get_params(ctx)
        _tidy_options(found)
        _convert_only_what_is_given(found)
        return found


def _tidy(command: Any) -> None:
    """Lets help fill the window: paragraphs without the line breaks of the source, parameters as one types them."""
    command.help = "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
    parameters = [*command.params, command.get_help_option(typer.Context(command))]
    _tidy_options(parameters)
    _tidy_arguments(parameters)
    _convert_only_what_is_given(parameters)
    for each in getattr(command, "commands", {}).values():
        _tidy(each)


def _tidy_options(options: Iterable[Any]) -> None:
    """Names no type of a flag, which takes no value, and no `range`, whose bounds are shown beside it."""
    for option in options:
        if isinstance(option, TyperOption) and option.metavar is None:
            kind = option.type_descriptor
            option.metavar = "" if kind.annotation is bool else f"<{kind.ranged_type_name}>" if kind.is_ranged else None


def _tidy_arguments(parameters: Iterable[Any]) -> None:
    """Names arguments in capitals, as their help does; of several values, shows the type of one."""
    for argument in parameters:
        if isinstance(argument, TyperArgument):
            argument.metavar = argument.metavar or str(argument.name).upper()
            if argument.nargs != 1:
                (kind,) = get_args(argument.type_descriptor.annotation)
                argument.display_type = partial(_type_name, kind)  # type: ignore[method-assign]


def _type_name(kind: type, _ctx: typer.Context) -> str:
    return f"<{kind.__name__}>"


class _GivenValue:
    """Converts a parameter's value as Typer does: with pydantic, whose import takes an eighth of a short command.

    A default has its type already, and so have texts.
    """

    def __init__(self, conversion: Callable[[], Any]) -> None:
        self._conversion = conversion

    def coerce(self, value: Any, param: Any, ctx: typer.Context) -> Any:
        """The value, converted if it needs to be."""
        source = ctx.get_parameter_source(param.name)
        is_default = source is not None and source.name == "DEFAULT"
        annotation = param.type_descriptor.annotation
        if is_default or (annotation is str and isinstance(value, str)):
            return value
        if annotation == list[str] and all(isinstance(each, str) for each in value):
            return list(value)
        with loading_modules():
            conversion = self._conversion()
        return conversion.coerce(value, param=param, ctx=ctx)


def _convert_only_what_is_given(parameters: Iterable[Any]) -> None:
    for each in parameters:
        if "get_runtime_param" not in vars(each):
            each.get_runtime_param = partial(_GivenValue, each.get_runtime_param)


app = typer.Typer(
    name="provider-pipeline",
    cls=_Group,
    help="Keeps a trustworthy table of every AI provider's models.",
    epilog=f"Exit codes. {' '.join(f'{code}: {meaning}' for code, meaning in EXIT_CODES.items())}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - only this option needs it

        say(f"provider-pipeline {version('provider-pipeline')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options of every command; `main` reads --debug itself, because errors surface after the command has ended."""


def main() -> None:
    """Run the command line: an error of ours is one line; its traceback comes only with --debug."""
    debug = "--debug" in sys.argv[1:]
    # Looking for garbage when it ends was a sixth of a short command.
    atexit.register(gc.freeze)
    # To find pydantic's plugins, the metadata of every installed package is read: a twentieth of a sync. Set it to an
    # empty text to have them.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        with relaxed_gc():
            app()
    except ProviderPipelineError as error:
        if debug:
            raise
        fail(error.message, hint=error.hint)
        sys.exit(EXIT_USAGE if isinstance(error, _UNKNOWN_NAME) else EXIT_TROUBLE)
