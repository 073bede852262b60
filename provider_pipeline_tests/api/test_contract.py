"""The API against its own OpenAPI document, asked by schemathesis for what no person would think of."""

from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from provider_pipeline import ModelSyncer, RuleValidationError
from provider_pipeline.api.app import create_app
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline_tests.api.conftest import Client
from provider_pipeline_tests.fleet import Fleet

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
OPERATIONS = 34


def test_every_answer_is_as_documented_whatever_is_asked(fleet: Fleet):
    fleet.add("acme")
    fleet.add("spare")
    known = {"slug": "acme", "version": 1, "task_id": _blocked(fleet, "acme")}
    app = create_app(fleet.database, ApiSettings(needs_token=False, burst=100_000))
    schema = schemathesis.openapi.from_dict(_without_tokens(app.openapi()))
    with Client(app) as client:
        operations = [found.ok() for found in schema.get_all_operations()]
        assert len(operations) == OPERATIONS
        for operation in operations:
            there = {name: value for name, value in known.items() if f"{{{name}}}" in operation.path}
            if operation.path == "/api/providers/{slug}":  # no sync shall go to an address that was made up
                there = {"slug": "spare"}
            for mode, place in ((GenerationMode.NEGATIVE, None), (GenerationMode.POSITIVE, there)):

                @settings(
                    max_examples=4,
                    derandomize=True,
                    deadline=None,
                    database=None,
                    phases=[Phase.explicit, Phase.generate],
                    suppress_health_check=list(HealthCheck),
                )
                @given(operation.as_strategy(generation_mode=mode, path_parameters=place or None))
                def ask(case: schemathesis.Case) -> None:
                    sent = case.as_transport_kwargs(base_url="http://127.0.0.1")
                    sent.pop("cookies", None)
                    if isinstance(sent.get("data"), str | bytes):
                        sent["content"] = sent.pop("data")
                    answer = client.request(sent.pop("method"), sent.pop("url"), **sent)
                    assert answer.status_code != 500, answer.text
                    case.validate_response(answer, checks=CHECKS)

                # Of an operation without parameters there is nothing to get wrong.
                with suppress(Unsatisfiable):
                    ask()


def _blocked(fleet: Fleet, slug: str) -> int:
    """The task of a provider whose listing does not fit."""
    fleet.serve(slug, {"moved": []})
    with fleet.database.session() as session, pytest.raises(RuleValidationError):
        ModelSyncer(session).sync_provider_models(slug)
    return fleet.tasks(slug)[0].id


def _without_tokens(document: dict) -> dict:
    """The document of an API that asks for no token."""
    paths = {
        path: {method: {**operation, "security": []} for method, operation in operations.items()}
        for path, operations in document["paths"].items()
    }
    return {**document, "paths": paths}
