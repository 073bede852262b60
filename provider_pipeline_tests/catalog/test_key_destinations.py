"""The origins each key was registered for are recorded, also those from before the table existed."""

from sqlalchemy.orm import Session

from provider_pipeline.catalog import providers
from provider_pipeline.catalog.database import Database, open_database
from provider_pipeline.catalog.migrations import upgrade
from provider_pipeline.catalog.providers import key_destinations
from provider_pipeline_tests.catalog.builders import upgrade_to

BEFORE = """
INSERT INTO provider (slug, name) VALUES ('openai', 'OpenAI'), ('login', 'Login'), ('aws', 'AWS'), ('open', 'Open');
INSERT INTO provider_metadata (provider_id, slug, base_url, auth_config)
VALUES
    (1, 'openai', 'https://api.example.com/v1', '{"type": "bearer", "env": "OPENAI_API_KEY"}'),
    (2, 'login', 'https://API.example.com:8443', '{"type": "oauth2_client_credentials",
        "token_url": "https://login.example.com/token", "client_id": {"value": "me"},
        "client_secret": {"file": "/run/secrets/login"}}'),
    (3, 'aws', 'https://aws.example.com', '{"type": "aws_sigv4", "service": "s", "region": "r",
        "access_key_id": {"env": "AWS_ID"}, "secret_access_key": {"env": "AWS_SECRET"}}'),
    (4, 'open', 'https://open.example.com', '{"type": "none"}');
"""


def test_the_keys_of_a_catalogue_that_was_in_use_are_bound_to_their_hosts(empty_database_url: str):
    with open_database(empty_database_url) as database:
        upgrade_to(database.engine, "0014")
        with database.engine.begin() as connection:
            connection.exec_driver_sql(BEFORE)
        upgrade(database.engine)
        with database.session() as session:
            assert key_destinations(
                session, ["OPENAI_API_KEY", "/run/secrets/login", "AWS_ID", "AWS_SECRET", "no"]
            ) == {
                "OPENAI_API_KEY": ["https://api.example.com"],
                "/run/secrets/login": ["https://api.example.com:8443", "https://login.example.com"],
                "AWS_ID": ["https://aws.example.com"],
                "AWS_SECRET": ["https://aws.example.com"],
            }


def register(session: Session, base_url: str, auth: dict) -> None:
    providers.add(session, slug="acme", name="Acme", base_url=base_url, auth_config=auth)


def test_a_key_keeps_the_hosts_it_had(database: Database):
    key = {"type": "bearer", "env": "ACME_KEY"}
    with database.session() as session:
        register(session, "https://one.example/v1", key)
        register(session, "https://one.example/v2", key)
        register(session, "https://two.example", {"type": "none"})
        assert key_destinations(session, ["ACME_KEY"]) == {"ACME_KEY": ["https://one.example"]}
        register(session, "http://two.example:8080/x", key)
        assert key_destinations(session, ["ACME_KEY"]) == {
            "ACME_KEY": ["http://two.example:8080", "https://one.example"]
        }
