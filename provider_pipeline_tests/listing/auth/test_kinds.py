"""What an auth_config may contain, and that it round-trips."""

import json
from typing import Any, get_args

import pytest

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.listing.auth.credentials import Authorizer, TokenCache
from provider_pipeline.listing.auth.kinds import Auth, AuthConfig, NoAuth
from provider_pipeline.listing.endpoints import ListingSource

OAUTH = {
    "type": "oauth2_client_credentials",
    "token_url": "https://login.acme.example/token",
    "client_id": {"value": "pipeline"},
    "client_secret": {"env": "ACME_SECRET"},
}
AWS = {
    "type": "aws_sigv4",
    "service": "bedrock",
    "region": "us-east-1",
    "access_key_id": {"env": "AWS_ACCESS_KEY_ID"},
    "secret_access_key": {"file": "/run/secrets/aws"},
}
GOOGLE = {"type": "google_service_account", "env": "GOOGLE_KEY", "scopes": ["https://www.googleapis.com/auth/cloud"]}
DOCUMENTS: list[dict[str, Any]] = [
    {"type": "bearer", "env": "OPENAI_API_KEY"},
    {"type": "bearer", "file": "/run/secrets/openai"},
    {"type": "header", "name": "x-api-key", "env": "K", "headers": {"anthropic-version": "2023-06-01"}},
    {"type": "query", "name": "key", "env": "GEMINI_API_KEY"},
    {"type": "basic", "username": {"value": "me"}, "password": {"env": "P"}},
    {"type": "basic", "username": {"file": "/run/secrets/u"}, "password": {"file": "/run/secrets/p"}},
    OAUTH,
    OAUTH | {"scope": "models.read", "audience": "https://api.acme.example", "client_auth": "body"},
    AWS,
    AWS | {"session_token": {"env": "AWS_SESSION_TOKEN"}, "headers": {"x-amz-target": "List"}},
    GOOGLE,
    {"type": "google_service_account", "file": "/run/secrets/key.json", "scopes": ["a", "b"]},
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_documented_forms_are_understood_and_come_back_as_they_were(document: dict[str, Any]) -> None:
    auth = AuthConfig.parse(document)
    assert auth.model_dump(exclude_unset=True) == document
    stored = json.loads(json.dumps(auth.model_dump(mode="json", exclude_defaults=True)))
    assert stored == document
    assert AuthConfig.parse(stored) == auth


@pytest.mark.parametrize("document", [{}, {"type": "none"}, {"headers": {"x-version": "1"}}])
def test_a_document_without_a_type_needs_no_key(document: dict[str, Any]) -> None:
    auth = AuthConfig.parse(document)
    assert isinstance(auth, NoAuth)
    assert AuthConfig.parse(auth.model_dump(exclude_defaults=True)) == auth


def test_a_source_takes_any_kind_and_gives_it_back() -> None:
    for document in DOCUMENTS:
        source = ListingSource(slug="acme", base_url="https://acme.example", auth=AuthConfig.parse(document))
        assert ListingSource.model_validate(source.model_dump(mode="json")) == source


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"type": "bearer"}, "needs an 'env' or a 'file'"),
        ({"type": "bearer", "env": "K", "file": "/k"}, "needs an 'env' or a 'file'"),
        ({"type": "none", "env": "K"}, "none.env: Extra inputs"),
        ({"type": "header", "env": "K"}, "header.name: Field required"),
        ({"type": "bearer", "env": "K", "name": "x"}, "bearer.name: Extra inputs"),
        ({"type": "bearer", "env": "K", "value": "hunter2"}, "bearer.value: Extra inputs"),
        ({"type": "bearer", "env": "sk-proj-hunter2"}, "bearer.env"),
        ({"type": "bearer", "file": "secrets/key"}, "bearer.file"),
        ({"type": "bearer", "file": "/secrets/\x00key"}, "bearer.file"),
        ({"type": "header", "env": "K", "name": "x y"}, "cannot be used as a header's name"),
        ({"type": "header", "env": "K", "name": "Host"}, "cannot be used as a header's name"),
        ({"type": "none", "headers": {"Authorization": "Bearer hunter2"}}, "usually holds a secret"),
        ({"type": "none", "headers": {"x-api-key": "hunter2"}}, "usually holds a secret"),
        ({"type": "none", "headers": {"x-version": "1\r\nx: hunter2"}}, "cannot be sent"),
        ({"type": "basic", "username": {"value": "me"}, "password": {"value": "hunter2"}}, "basic.password"),
        ({"type": "basic", "username": {"value": "me"}, "password": "hunter2"}, "basic.password"),
        ({"type": "basic", "username": {}, "password": {"env": "P"}}, "needs one of 'value', 'env' and 'file'"),
        ({"type": "basic", "username": {"value": "a\nhunter2"}, "password": {"env": "P"}}, "control character"),
        (OAUTH | {"client_secret": {"value": "hunter2"}}, "oauth2_client_credentials.client_secret"),
        (OAUTH | {"client_auth": "jwt"}, "'basic' or 'body'"),
        (OAUTH | {"token_url": "login.acme.example/token"}, "is not an http(s) URL"),
        (OAUTH | {"token_url": "file:///etc/passwd"}, "is not an http(s) URL"),
        (OAUTH | {"token_url": "https://me:hunter2@acme.example/token"}, "holds a secret"),
        (OAUTH | {"token_url": "https://acme.example/token?client_secret=hunter2"}, "holds a secret"),
        (AWS | {"region": "us east"}, "aws_sigv4.region"),
        (GOOGLE | {"scopes": []}, "google_service_account.scopes"),
        ({"type": "bearer", "env": "K", "a\nb": 1}, "bearer.a b"),
    ],
)
def test_an_inconsistent_document_is_refused_without_its_values(document: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        AuthConfig.parse(document, slug="acme")
    assert caught.value.message.startswith("acme: auth_config is not understood")
    assert says in caught.value.message
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("kind", ["hunter2", "Bearer", 7, None, []])
def test_an_unknown_type_is_answered_with_the_known_ones(kind: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        AuthConfig.parse({"type": kind, "env": "K"})
    for known in get_args(get_args(Auth)[0]):
        (name,) = get_args(known.model_fields["type"].annotation)
        assert repr(name) in caught.value.message
    assert "hunter2" not in str(caught.value)


def _never(*_: object) -> Any:
    raise AssertionError("nothing is exchanged before a request needs it")


@pytest.mark.parametrize("document", DOCUMENTS[:1] + DOCUMENTS[2:5] + [OAUTH])
def test_an_authorizer_does_not_show_its_secrets(document: dict[str, Any]) -> None:
    auth = AuthConfig.parse(document)
    environ = dict.fromkeys(["OPENAI_API_KEY", "K", "GEMINI_API_KEY", "P", "ACME_SECRET"], "hunter2hunter2")
    authorizer: Authorizer = auth.authorizer("acme", environ, TokenCache(), _never)
    assert "hunter2hunter2" in authorizer.secrets
    assert "hunter2" not in repr(authorizer) + str(authorizer) + repr(auth) + authorizer.hint
