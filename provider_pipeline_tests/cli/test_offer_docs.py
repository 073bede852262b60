"""docs/offers.md: its commands and SQL, as written."""

import re
import shlex
from pathlib import Path

from sqlalchemy import text

from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing

PAGE = (Path(__file__).parents[2] / "docs" / "offers.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [shlex.split(line) for language, block in BLOCKS if not language for line in block.splitlines()]
QUERIES = [block for language, block in BLOCKS if language == "sql"]


def test_every_command_and_query_of_the_page_works(run: CommandLine, fleet: Fleet):
    fleet.add("acme", listing(*CHAT_MODELS, "gpt-4o-mini", "prod-chat"))
    fleet.add("zeta", listing("gpt-4o", context_length=64_000))
    assert run("sync", "--all").code == 0
    fleet.serve("zeta", listing("gpt-4o", "gpt-4o-mini", context_length=64_000, price="0.000001"))
    assert run("sync", "--all").code == 0
    assert len(COMMANDS) == 4
    for name, *arguments in COMMANDS:
        done = run(*arguments)
        assert (name, done.code) == ("provider-pipeline", 0), f"{arguments}: {done.err}"
    with fleet.database.session() as session:
        found = [session.execute(text(query)).mappings().all() for query in QUERIES]
    cheapest, several, disputed, doubtful, news = found
    assert all(row["slug"] in ("acme", "zeta") for row in cheapest)
    assert [row["providers"] for row in several] == [2, 2]
    assert {row["fact"] for row in disputed} == {"context_length"}
    assert {row["certainty"] for row in doubtful} <= {"ambiguous", "unverified"}
    assert {row["kind"] for row in news} == {"undercut"}
