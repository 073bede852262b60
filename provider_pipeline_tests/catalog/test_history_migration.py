"""A catalogue that was in use before rule versions had a status and tasks had a claim."""

from datetime import timedelta

import pytest

from provider_pipeline.catalog import providers, rule_versions, task_claims
from provider_pipeline.catalog.database import open_database
from provider_pipeline.catalog.migrations import upgrade
from provider_pipeline.catalog.rule_versions import list_rule_versions
from provider_pipeline.catalog.tasks import list_tasks
from provider_pipeline.errors import RuleMissingError
from provider_pipeline_tests.catalog.builders import NOON, add_rule, upgrade_to

BEFORE = """
INSERT INTO provider (slug, name) VALUES ('openai', 'OpenAI'), ('anthropic', 'Anthropic'), ('new', 'New');
INSERT INTO rule_version (provider_id, version, model_list_config, endpoints_config, digest, origin)
SELECT 1, version, '{}', '{}', repeat(version::text, 64), origin
FROM (VALUES (1, 'generated'), (2, 'imported'), (3, 'regenerated')) AS made (version, origin);
INSERT INTO rule_version (provider_id, version, model_list_config, endpoints_config, digest, origin)
VALUES (2, 1, '{}', '{}', repeat('1', 64), 'generated');
INSERT INTO provider_metadata (provider_id, slug, base_url, auth_config, model_list_config, endpoints_config, version)
VALUES
    (1, 'openai', 'https://api.example.com', '{}', '{}', '{}', 2),
    (2, 'anthropic', 'https://api.example.com', '{}', NULL, NULL, NULL),
    (3, 'new', 'https://api.example.com', '{}', NULL, NULL, NULL);
INSERT INTO agent_task (provider_id, status, signature, config, finished_at)
VALUES
    (1, 'PENDING', 'a', '{"issues": []}', NULL),
    (1, 'RUNNING', 'b', '{"issues": []}', NULL),
    (1, 'SUCCEEDED', 'a', '{"issues": []}', now());
"""


@pytest.fixture
def upgraded(empty_database_url: str):
    with open_database(empty_database_url) as database:
        upgrade_to(database.engine, "0003")
        with database.engine.begin() as connection:
            connection.exec_driver_sql(BEFORE)
        upgrade(database.engine)
        with database.session() as session:
            yield session


def test_the_version_in_use_is_active_and_the_others_are_retired(upgraded):
    told = [(each.version, each.status, each.author, each.parent_version) for each in list_rule_versions(upgraded, 1)]
    assert told == [
        (1, "retired", "generator", None),
        (2, "active", "person", None),
        (3, "retired", "generator", None),
    ]
    assert [each.status for each in list_rule_versions(upgraded, 2)] == ["retired"]
    with pytest.raises(RuleMissingError, match="'anthropic' has no active extraction rule"):
        rule_versions.active(upgraded, 2)
    assert [(event.version, event.status) for event in rule_versions.events(upgraded, 1)] == [
        (1, "retired"),
        (2, "active"),
        (3, "retired"),
    ]


def test_the_next_rule_is_a_child_of_the_one_in_use_and_can_be_rolled_back(upgraded):
    assert add_rule(upgraded, providers.get(upgraded, "openai"), "4") == 4
    assert rule_versions.active(upgraded, 1).parent_version == 2
    assert rule_versions.roll_back(upgraded, 1, reason="worse") == 2
    upgraded.commit()


def test_a_task_that_was_running_is_taken_up_again(upgraded):
    assert [task.status for task in list_tasks(upgraded)] == ["PENDING", "PENDING", "SUCCEEDED"]
    taken = [task_claims.claim(upgraded, worker="one", now=NOON, lease=timedelta(minutes=1)) for _ in range(3)]
    assert [task and task.id for task in taken] == [1, 2, None]
