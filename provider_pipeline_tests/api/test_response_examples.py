"""Every operation has an example of its response, which is what the API really answers."""

import json
import os
from typing import Any

import jsonschema
import pytest

from provider_pipeline_tests.api import response_examples
from provider_pipeline_tests.api.conftest import Api


@pytest.fixture
def examples() -> dict[str, dict[str, Any]]:
    return json.loads(response_examples.FILE.read_text(encoding="utf-8"))


def successes(document: dict) -> list[tuple[str, str, str, dict]]:
    """Operation, status, media type and content of each response of success that has a body."""
    return [
        (operation["operationId"], status, media, content)
        for operations in document["paths"].values()
        for operation in operations.values()
        for status, response in operation["responses"].items()
        if status[0] == "2" and status != "204"
        for media, content in [*response.get("content", {}).items()][:1]
    ]


def test_each_operation_has_an_example_of_its_response_that_fits_the_schema(api: Api):
    document = api.client.get("/openapi.json").json()
    found = successes(document)
    assert {operation for operation, *_ in found} == {
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
        if set(operation["responses"]) & {"200", "201", "202"}
    }
    for operation, status, media, content in found:
        assert "example" in content, (operation, status)
        if media == "application/json" and "schema" in content:
            schema = {**content["schema"], "components": document["components"]}
            jsonschema.Draft202012Validator(schema).validate(content["example"])


def test_the_examples_are_what_the_api_answers(api: Api, examples: dict):
    """`RESPONSE_EXAMPLES=yes` writes them anew."""
    recorded = response_examples.record(api)
    if os.environ.get("RESPONSE_EXAMPLES"):
        response_examples.FILE.write_text(response_examples.written(recorded), encoding="utf-8")
    assert shape(recorded) == shape(json.loads(response_examples.FILE.read_text(encoding="utf-8")))


def shape(value: Any) -> Any:
    """The members and types, without the values, which differ from run to run."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return "number" if isinstance(value, int | float) else type(value).__name__
