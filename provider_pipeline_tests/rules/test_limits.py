"""A rule requests paths below the base URL that every server and proxy reads the same way."""

from importlib import resources

import pytest
import yaml

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.document import Detail, ExtractionRule
from provider_pipeline.rules.limits import checked_path

ELSEWHERE = [
    "https://elsewhere.example/v1/models",
    "//elsewhere.example/v1/models",
    "javascript:alert(1)",
    "/../../../other-app/secret",
    "/v1/models/..",
    "/v1/./models",
    "/v1/models/..;/admin",
    "/v1/%2e%2e/admin",
    "/v1/.%2E/admin",
    "/v1%2f..%2fadmin",
    "/v1%2Fadmin",
    "/v1/%252e%252e/admin",
    "/v1/%c0%ae%c0%ae/admin",
    "/v1\\..\\admin",
    "/v1/%5c..%5cadmin",
    "/v1/models%3flimit=1",
    "/v1/models%23",
    "/v1/models#top",
    "/v1/models\r\nHost: elsewhere.example",
    "/v1/models%0d%0aHost: elsewhere.example",
    "/v1/models?next=%00",
    "/v1/models\x00",
    "/v1/models/%",
    "/v1/models/%zz",
    "/v1/models/\u202e",
]


def rule(**endpoint):
    return {"jmespath_rule": "data[*]", "capability_rules": [], **endpoint}


@pytest.mark.parametrize("path", ELSEWHERE)
def test_a_path_that_could_lead_elsewhere_is_refused_where_the_rule_is_parsed(path: str):
    with pytest.raises(InvalidRuleError) as caught:
        ExtractionRule.parse(rule(endpoint=path))
    assert caught.value.message.isprintable()
    with pytest.raises(InvalidRuleError):
        ExtractionRule.parse(rule(endpoint="/v1/models", detail={"path": f"{path}/{{id}}"}))
    several = [{"endpoint": each, "selector": "data[*]"} for each in ("/v1/models", path)]
    with pytest.raises(InvalidRuleError, match=r"endpoints\.1\.path"):
        ExtractionRule.parse({"model_list_config": {"endpoint": several}, "endpoints_config": {}})


@pytest.mark.parametrize("path", ["/v1/models/.{id}/..", "/v1/models/%{id}", "/v1/models/%2{id}", "/v1/{id}%2f"])
def test_a_detail_that_could_lead_elsewhere_is_refused(path: str):
    with pytest.raises(InvalidRuleError, match="path: "):
        Detail.at(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/v1/models",
        "/v1/models/",
        "?type=chat",
        "/v1/models?limit=1000",
        "/v1/models?output_modalities=all&sort=a%2Fb",
        "/v1/my%20team/models",
        "/v1/größe",
        "/v1/.well-known/models",
        "/v1/models...",
        "/v2/projects/a:b@c/models",
        "models",
    ],
)
def test_an_ordinary_path_is_unchanged(path: str):
    assert checked_path(path) == path
    assert ExtractionRule.parse(rule(endpoint=path)).endpoints[0].path == path


def test_every_shipped_preset_has_valid_paths():
    for file in resources.files("provider_pipeline.presets").joinpath("data").iterdir():
        for endpoint in yaml.safe_load(file.read_text(encoding="utf-8"))["endpoints"]:
            assert checked_path(endpoint["path"]) == endpoint["path"]
