"""`provider-pipeline db`: the ways into the database for other programs."""

import os
import sys
from pathlib import Path

import psycopg

from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import Fleet


def test_the_url_opens_the_catalogue_in_other_programs(run: CommandLine, acme: Fleet):
    printed = run("db", "url").out.strip()
    assert printed.startswith("postgresql://")
    with psycopg.connect(printed) as connection:
        assert connection.execute("SELECT count(*) FROM model_flat").fetchone() == (5,)


def test_the_shell_is_psql_on_the_catalogue(run: CommandLine, acme: Fleet):
    finished = run.process("db", "shell", "--", "-At", "-c", "SELECT count(*) FROM model_flat")
    assert (finished.code, finished.out) == (0, "5\n")
    assert run.process("db", "shell", "--", "-c", "SELECT nonsense").code == 1


def test_passwords_stay_out_of_the_shells_command_line(run: CommandLine, tmp_path: Path):
    psql = tmp_path / "psql"
    psql.write_text(f'#!{sys.executable}\nimport os, sys\nprint(sys.argv[1:], os.environ["PGPASSWORD"])\n')
    psql.chmod(0o755)
    url = run.environment["PROVIDER_PIPELINE_DATABASE_URL"].replace("postgres@", "postgres:s3cret@")
    assert "s3cret" in url
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    arguments, password = (
        run.process("db", "shell", PROVIDER_PIPELINE_DATABASE_URL=url, PATH=path).out.strip().rsplit(" ", 1)
    )
    assert password == "s3cret"
    assert "s3cret" not in arguments
    assert "--dbname" in arguments


def test_without_psql_the_shell_says_what_to_do(run: CommandLine, tmp_path: Path):
    finished = run("db", "shell", PATH=str(tmp_path))
    assert (finished.code, "provider-pipeline db url" in finished.err) == (1, True)


def test_a_reader_is_made_and_told_how_to_log_in(run: CommandLine, fleet: Fleet):
    finished = run("db", "grant-read", "cli_reader")
    try:
        assert finished.code == 0, finished.err
        assert "cli_reader may read the catalogue" in finished.out
        assert "ALTER ROLE" in finished.err
        assert run("db", "grant-read", "cli_reader").err == ""
    finally:
        with fleet.database.engine.begin() as connection:
            connection.exec_driver_sql("DROP OWNED BY cli_reader")
            connection.exec_driver_sql("DROP ROLE cli_reader")
