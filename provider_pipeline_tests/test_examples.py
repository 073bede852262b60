"""The examples for other tools: every question has an answer, and every name they use is there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from sqlalchemy import text

from provider_pipeline.api.routes.health import _metrics_text
from provider_pipeline.catalog.database import Database
from provider_pipeline_tests.showcase import fill

EXAMPLES = Path(__file__).parents[1] / "examples"
QUESTIONS = sorted((EXAMPLES / "sql").glob("*.sql"))
RULES = yaml.safe_load((EXAMPLES / "grafana" / "alerts.yml").read_text(encoding="utf-8"))["groups"]
DASHBOARD = json.loads((EXAMPLES / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
EXPRESSIONS = [
    *(rule["expr"] for group in RULES for rule in group["rules"]),
    *(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]),
]


@pytest.fixture(scope="module")
def filled(shared_database: Database) -> Database:
    """A catalogue with an answer to each question."""
    fill(shared_database)
    return shared_database


def test_there_are_ten_questions():
    assert len(QUESTIONS) == 10


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda path: path.stem)
def test_each_question_has_an_answer(filled: Database, question: Path):
    statement = question.read_text(encoding="utf-8")
    assert statement.startswith("-- ")
    with filled.engine.connect() as connection:
        assert connection.exec_driver_sql(statement.replace("%", "%%")).all()


def test_the_sources_for_dbt_have_every_view_and_column_with_its_comment(filled: Database, tmp_path: Path):
    expected = tmp_path / "sources.yml"
    expected.write_text(yaml.safe_dump(_sources(filled), sort_keys=False, width=120), encoding="utf-8")
    written = (EXAMPLES / "dbt" / "sources.yml").read_text(encoding="utf-8")
    assert written == expected.read_text(encoding="utf-8"), f"expected the content of {expected}"


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_each_expression_is_promql_over_metrics_that_the_api_exposes(filled: Database, expression: str):
    with filled.session() as session:
        exposed = set(re.findall(r"^# TYPE (\S+)", _metrics_text(session).decode(), flags=re.MULTILINE))
    used = set(_metrics_of(promql_parser.parse(expression)))
    assert used
    assert used <= exposed


def test_each_alert_says_what_happened_and_what_to_do():
    for group in RULES:
        for rule in group["rules"]:
            assert {"summary", "description"} <= rule["annotations"].keys(), rule["alert"]
            assert "provider-pipeline" in rule["annotations"]["description"]
            assert rule["labels"]["severity"] in ("warning", "critical")


def test_the_panels_of_the_dashboard_do_not_overlap():
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def _metrics_of(node: Any) -> Iterator[str]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name
    for name in ("expr", "lhs", "rhs", "vector_selector", "args"):
        child = getattr(node, name, None)
        for each in child if isinstance(child, list) else [child]:
            if each is not None:
                yield from _metrics_of(each)


def _sources(database: Database) -> dict[str, Any]:
    """The views and canonical models as a source of dbt, from the comments in the database."""
    with database.engine.connect() as connection:
        rows = connection.execute(
            text("""
                SELECT
                    class.relname, obj_description(class.oid, 'pg_class') AS about, attribute.attname,
                    col_description(class.oid, attribute.attnum) AS description
                FROM pg_class AS class
                JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid AND attribute.attnum > 0
                WHERE class.relnamespace = 'public'::regnamespace
                    AND (class.relkind = 'v' OR class.relname IN ('canonical_model', 'provider_model_change'))
                    AND NOT attribute.attisdropped
                ORDER BY class.relname COLLATE "C", attribute.attnum
            """)
        ).all()
    tables: dict[str, dict[str, Any]] = {}
    for row in rows:
        listed = tables.setdefault(row.relname, {"name": row.relname, "description": row.about, "columns": []})
        listed["columns"].append({"name": row.attname, "description": row.description})
    source = {
        "name": "provider_pipeline",
        "schema": "public",
        "description": "What AI providers' models can do and cost, as provider_pipeline keeps it.",
        "tables": list(tables.values()),
    }
    return {"version": 2, "sources": [source]}
