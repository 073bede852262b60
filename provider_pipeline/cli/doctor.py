"""`provider-pipeline doctor`: whether an installation is fit for its work, and what to do where it is not.

It only reads: it creates no folder, database or table, applies no migration, and leaves no server running.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from provider_pipeline import catalog, listing, sync
from provider_pipeline.cli.console import emit_json, say_marked
from provider_pipeline.cli.parameters import JsonOption
from provider_pipeline.errors import ConfigurationError, ProviderPipelineError
from provider_pipeline.extras import EXTRAS, missing_modules, require_own_module

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_STYLES: Final = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}
_MAX_CLOCK_OFFSET: Final = timedelta(seconds=5)
_MAX_HEARTBEAT_AGE: Final = 300
"""Seconds. Dagster's daemons report every 30, and Dagster itself calls them healthy for half an hour after the last."""
_MIN_FREE_BYTES: Final = 2**30
_MAX_NAMED: Final = 10
_REPORT_SECONDS: Final = 120
_TEXTS: Final = """
SELECT datname, pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = current_database()
"""
_COLLATION_VERSIONS: Final = """
SELECT datcollversion, pg_database_collation_actual_version(oid) FROM pg_database WHERE datname = current_database()
"""
_EXTRA_OF_AUTH: Final = {"aws_sigv4": "aws", "google_service_account": "google"}


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: What was checked.
        status: `warning` asks for a look, `failed` for a repair; `skipped` could not be told.
        detail: What was found.
        hint: What to do about it.
    """

    name: str
    status: Literal["ok", "warning", "failed", "skipped"]
    detail: str
    hint: str | None = None


def doctor(
    start: Annotated[
        bool, typer.Option("--start", help="Start a stopped embedded server for the checks, and stop it after them.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check the database, keys, Dagster, disk and providers, and say what to do; only reads.

    Exit code 0: nothing failed; 1: a check failed; 2: usage.
    """
    checks = []
    for check in _checks(start=start):
        checks.append(check)
        if not as_json:
            advice = f" ({check.hint})" if check.hint and check.status != "ok" else ""
            say_marked(f"{check.status:8}", _STYLES[check.status], f"{check.name}: {check.detail}{advice}")
    healthy = all(check.status != "failed" for check in checks)
    if as_json:
        emit_json({"healthy": healthy, "checks": [asdict(check) for check in checks]})
    raise typer.Exit(0 if healthy else 1)


def _checks(*, start: bool) -> Iterator[Check]:
    home = catalog.database.home_path()
    url = os.environ.get(catalog.database_errors.URL_VARIABLE)
    server = catalog.embedded.EmbeddedPostgres(home)
    with ExitStack() as stack:
        running = False
        try:
            if not url or not os.environ.get("DAGSTER_POSTGRES_URL"):
                if start and (server.data / "PG_VERSION").is_file():
                    stack.enter_context(server)
                    running = True
                else:
                    running = stack.enter_context(server.if_running())
            if url or running:
                opened = catalog.database.open_database(url or server.url(catalog.database.DATABASE_NAME))
                yield from _catalogue(stack.enter_context(opened))
            else:
                yield _no_server(server)
        except ProviderPipelineError as error:
            yield Check("database", "failed", error.message, error.hint)
        yield from _dagster(home, server if running else None)
        yield _webhook()
        yield from _disks(home, None if url else server.data)
        yield _packages(() if url else ("embedded",))
        try:
            require_own_module("jmespath")  # jmespath-community, whose functions differ, has the same module
        except ConfigurationError as error:
            yield Check("packages", "failed", error.message, error.hint)


def _no_server(server: catalog.embedded.EmbeddedPostgres) -> Check:
    if not (server.data / "PG_VERSION").is_file():
        return Check(
            "database",
            "failed",
            f"there is no catalogue in {server.home}, and {catalog.database_errors.URL_VARIABLE} is not set",
            "set that URL, or make an embedded catalogue: provider-pipeline db upgrade",
        )
    return Check(
        "database",
        "skipped",
        f"the embedded server in {server.home} is stopped, as it is minutes after its last use",
        "to check the catalogue too: provider-pipeline doctor --start",
    )


def _catalogue(database: catalog.database.Database) -> Iterator[Check]:
    version = ".".join(map(str, database.engine.dialect.server_version_info or ()))
    yield Check("database", "ok", f"{database.redacted_url}, PostgreSQL {version}")
    with database.session() as session:
        session.connection(execution_options={"postgresql_readonly": True})
        yield _clock(session)
        yield from _texts(session)
        try:
            catalog.migrations.check_schema(database.engine)
        except ProviderPipelineError as error:
            yield Check("schema", "failed", error.message, error.hint)
            return
        yield Check("schema", "ok", "has every migration of this version")
        providers = catalog.providers.list_providers(session)
        yield from _keys(providers)
        if needed := _extras_of(providers):
            yield _packages(needed)
        yield _providers(session)
        yield _tasks(session)


def _clock(session: Session) -> Check:
    from sqlalchemy import func, select  # noqa: PLC0415 - not for the help

    before = datetime.now(UTC)
    theirs = session.scalars(select(func.clock_timestamp())).one()
    after = datetime.now(UTC)
    offset = theirs - before - (after - before) / 2
    seconds = offset.total_seconds()
    if abs(offset) - (after - before) <= _MAX_CLOCK_OFFSET:
        return Check("clock", "ok", f"the database's differs by {seconds:+.1f} s")
    return Check(
        "clock",
        "failed",
        f"the database's differs by {seconds:+.1f} s from this machine's",
        "synchronize both by NTP: due times, freshness and the age of leases are wrong otherwise",
    )


def _texts(session: Session) -> Iterator[Check]:
    """The encoding, and whether the operating system still sorts as it did when the indexes were written."""
    from sqlalchemy import text  # noqa: PLC0415 - not for the help

    name, encoding, collation = session.execute(text(_TEXTS)).one()
    if encoding != "UTF8":
        yield Check(
            "encoding",
            "failed",
            f"the database's is {encoding}; names of models need UTF8",
            "back it up, create a database with ENCODING 'UTF8' TEMPLATE template0, and restore into that",
        )
    else:
        yield Check("encoding", "ok", f"UTF8, collation {collation}")
    if (session.get_bind().dialect.server_version_info or ()) < (15,):
        return
    recorded, actual = session.execute(text(_COLLATION_VERSIONS)).one()
    if recorded != actual:
        yield Check(
            "collation",
            "failed",
            f"its indexes were sorted by version {recorded} of the system's collation, which is now {actual}",
            f'in psql: REINDEX DATABASE "{name}"; ALTER DATABASE "{name}" REFRESH COLLATION VERSION',
        )


def _keys(providers: Sequence[catalog.providers.Provider]) -> Iterator[Check]:
    named: set[str] = set()
    problems: dict[str, str] = {}
    for provider in providers:
        try:
            for place in listing.auth.kinds.AuthConfig.parse(provider.auth_config, slug=provider.slug).places:
                named.add(place.name)
                place.resolve(provider.slug, os.environ, fits=listing.auth.secrets.ANY_TEXT)
        except ConfigurationError as error:
            problems[provider.slug] = error.message
    if problems:
        detail = f"missing for {len(problems)} of {len(providers)} providers: {_some(list(problems.values()), '; ')}"
        yield Check("keys", "failed", detail, "set them where syncs run, which may be another process than this one")
    else:
        yield Check("keys", "ok", f"{len(named)} named by {len(providers)} enabled providers, each readable")


def _extras_of(providers: Sequence[catalog.providers.Provider]) -> list[str]:
    kinds = {str(provider.auth_config.get("type")) for provider in providers}
    return sorted(extra for kind, extra in _EXTRA_OF_AUTH.items() if kind in kinds)


def _packages(needed: Sequence[str]) -> Check:
    if missing := [extra for extra in needed if missing_modules(extra)]:
        install = f'pip install "provider-pipeline[{",".join(missing)}]"'
        return Check("packages", "failed", f"the extras {', '.join(missing)} are needed and missing", f"run: {install}")
    there = [extra for extra in EXTRAS if not missing_modules(extra)]
    return Check("packages", "ok", f"installed extras: {', '.join(there) or 'none'}")


def _providers(session: Session) -> Check:
    now = datetime.now(UTC)
    trouble: list[str] = []
    failing: list[str] = []
    found = catalog.health.provider_health(session)
    for each in found:
        if now - each.last_success_at > sync.freshness.MAX_AGE:
            trouble.append(f"{each.slug} has had no success since {each.last_success_at:%Y-%m-%d %H:%M} UTC")
        elif each.blocked:
            trouble.append(f"{each.slug} is blocked: its listing does not fit its rule")
        elif each.consecutive_failures:
            told = trouble if each.consecutive_failures >= sync.freshness.FAILURES_TO_ERROR else failing
            told.append(f"{each.slug} failed {_times(each.consecutive_failures)}")
    if not found:
        return Check("providers", "warning", "none is enabled", "add one: provider-pipeline providers add")
    if not trouble and not failing:
        return Check(
            "providers", "ok", f"{len(found)} enabled, each synced, or added, within {_hours(sync.freshness.MAX_AGE)}"
        )
    return Check(
        "providers",
        "failed" if trouble else "warning",
        f"{len(trouble) + len(failing)} of {len(found)}: {_some(trouble + failing, '; ')}",
        "see why: provider-pipeline providers check SLUG; if none is synced: the schedule and the daemon below",
    )


def _times(failures: int) -> str:
    return "once" if failures == 1 else f"{failures} times in a row"


def _tasks(session: Session) -> Check:
    found = catalog.tasks.list_tasks(session, status=catalog.tasks.OPEN_STATUSES)
    waiting = [f"{task.id} ({task.slug})" for task in found if task.status == "NEEDS_REVIEW"]
    if waiting:
        detail = f"{len(waiting)} of {len(found)} open ones wait for a person: {_some(waiting)}"
        return Check("tasks", "warning", detail, "decide: provider-pipeline tasks show ID, then approve or reject")
    return Check("tasks", "ok", f"{len(found)} open, none waits for a person")


def _webhook() -> Check:
    try:
        webhook = sync.webhook.Webhook.from_environment(os.environ)
    except ConfigurationError as error:
        return Check("webhook", "failed", error.message, error.hint)
    return Check("webhook", "ok", "none is set" if webhook is None else f"{webhook!r}")


def _disks(home: Path, data: Path | None) -> Iterator[Check]:
    """The room for the home and the embedded server's data, once if they share a disk."""
    devices = set()
    for name, folder in (("disk of the home", home), ("disk of the database", data)):
        there = next((each for each in (folder, *folder.parents) if each.exists()), None) if folder else None
        if there is None or (device := there.stat().st_dev) in devices:
            continue
        devices.add(device)
        free = shutil.disk_usage(there).free
        detail = f"{free / 2**30:.1f} GiB are free for {folder}"
        low = free < _MIN_FREE_BYTES
        yield Check(name, "failed" if low else "ok", detail, "make room, or move it to a larger disk")


def _dagster(home: Path, server: catalog.embedded.EmbeddedPostgres | None) -> Iterator[Check]:
    environment = dict(os.environ)
    if not environment.get("DAGSTER_HOME"):
        if not (home / "dagster" / "dagster.yaml").is_file():
            yield Check(
                "Dagster",
                "skipped",
                "DAGSTER_HOME is not set",
                "set it as for the daemon, or start one: provider-pipeline dev",
            )
            return
        environment["DAGSTER_HOME"] = str(home / "dagster")  # that of `dev`
        if not environment.get("DAGSTER_POSTGRES_URL"):
            if server is None:
                yield Check("Dagster", "skipped", "its storage is on the embedded server, which is stopped")
                return
            environment["DAGSTER_POSTGRES_URL"] = catalog.database.adapted_url(server.url("dagster"), driver="psycopg2")
    where = Path(environment["DAGSTER_HOME"])
    if not (where / "dagster.yaml").is_file():
        yield Check(
            "Dagster",
            "failed",
            f"there is no dagster.yaml in DAGSTER_HOME, {where}",
            "copy provider_pipeline/deploy/dagster.yaml there: its storage is PostgreSQL, and it limits runs",
        )
        return
    try:
        report = _instance_report(environment)
    except ConfigurationError as error:
        yield Check("Dagster", "failed", error.message, error.hint)
        return
    yield Check("Dagster", "ok", f"the storage of {where} can be read")
    yield from _instance(report)


def _instance_report(environment: Mapping[str, str]) -> Any:
    """What `defs.instance_report` prints.

    Raises:
        ConfigurationError: The instance cannot be opened.
    """
    # Dagster creates the tables that its storage lacks; in sessions that only read, it fails instead.
    read_only = "-c default_transaction_read_only=on"
    environment = {**environment, "PGOPTIONS": read_only}
    if url := environment.get("DAGSTER_POSTGRES_URL"):
        environment["DAGSTER_POSTGRES_URL"] = catalog.database.adapted_url(url, options=read_only)
    try:
        finished = subprocess.run(
            [sys.executable, "-m", "provider_pipeline.defs.instance_report"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_REPORT_SECONDS,
            check=False,
        )
        if finished.returncode == 0:
            return json.loads(finished.stdout)
        reason = finished.stderr.strip().rpartition("\n")[2] or f"exit status {finished.returncode}"
    except subprocess.TimeoutExpired:
        reason = f"no answer within {_REPORT_SECONDS} s"
    if "read-only transaction" in reason:
        raise ConfigurationError(
            "its storage has no tables yet", hint="start the daemon or the webserver, which create them"
        )
    raise ConfigurationError(
        f"the instance cannot be opened: {listing.redaction.one_line(reason)}",
        hint="check DAGSTER_HOME, its dagster.yaml and DAGSTER_POSTGRES_URL",
    )


def _instance(report: Any) -> Iterator[Check]:
    late = [
        f"{each['type']} " + ("never reported" if each["age"] is None else f"reported {each['age']:.0f} s ago")
        for each in report["daemons"]
        if each["age"] is None or each["age"] > _MAX_HEARTBEAT_AGE
    ]
    errors = [f"{each['type']}: {error}" for each in report["daemons"] for error in each["errors"]]
    if late:
        yield Check("Dagster daemon", "failed", _some(late), "start it with this DAGSTER_HOME: dagster-daemon run")
    elif errors:
        yield Check("Dagster daemon", "failed", _some(errors, "; "), "see the daemon's log")
    else:
        yield Check("Dagster daemon", "ok", f"{len(report['daemons'])} daemons reported within {_MAX_HEARTBEAT_AGE} s")
    off = [each["name"] for each in report["instigators"] if not each["on"]]
    ticks = [f"{each['name']}: {each['error']}" for each in report["instigators"] if each["error"]]
    problems = [
        *([f"off: {_some(off)}"] if off else ()),
        *([f"last tick failed: {_some(ticks, '; ')}"] if ticks else ()),
    ]
    if problems:
        yield Check("sensors and schedules", "failed", "; ".join(problems), "see them in the UI, under Automation")
    else:
        yield Check("sensors and schedules", "ok", f"{len(report['instigators'])} are on")
    if report["run_monitoring"]:
        yield Check("run monitoring", "ok", "on")
    else:
        hint = "set run_monitoring: {enabled: true} in dagster.yaml, as provider_pipeline/deploy/dagster.yaml does"
        yield Check("run monitoring", "failed", "off: a run whose machine vanishes holds its slot for ever", hint)


def _some(parts: Sequence[str], between: str = ", ") -> str:
    rest = len(parts) - _MAX_NAMED
    return between.join(parts[:_MAX_NAMED]) + (f"{between}and {rest} more" if rest > 0 else "")


def _hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:.0f} hours"
