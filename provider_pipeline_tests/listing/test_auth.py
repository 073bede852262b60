"""What an auth_config may say."""

from typing import Any

import pytest

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.listing import AuthConfig


@pytest.mark.parametrize(
    "document",
    [
        {"type": "none"},
        {"type": "bearer", "env": "OPENAI_API_KEY"},
        {"type": "header", "name": "x-api-key", "env": "K", "headers": {"anthropic-version": "2023-06-01"}},
        {"type": "query", "name": "key", "env": "GEMINI_API_KEY"},
    ],
)
def test_the_documented_forms_are_understood_and_come_back_as_they_were(document: dict[str, Any]) -> None:
    assert AuthConfig.parse(document).model_dump(exclude_unset=True) == document


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"type": "bearer"}, "needs an 'env'"),
        ({"type": "none", "env": "K"}, "takes no 'env'"),
        ({"type": "header", "env": "K"}, "needs a 'name'"),
        ({"type": "bearer", "env": "K", "name": "x"}, "takes no 'name'"),
        ({"type": "basic", "env": "K"}, "type"),
        ({"type": "bearer", "env": "K", "value": "hunter2"}, "value"),
        ({"type": "bearer", "env": "sk-proj-hunter2"}, "env"),
        ({"type": "header", "env": "K", "name": "x y"}, "cannot be used as a header's name"),
        ({"type": "header", "env": "K", "name": "Host"}, "cannot be used as a header's name"),
        ({"type": "none", "headers": {"Authorization": "Bearer hunter2"}}, "usually holds a secret"),
        ({"type": "none", "headers": {"x-api-key": "hunter2"}}, "usually holds a secret"),
        ({"type": "none", "headers": {"x-version": "1\r\nx: hunter2"}}, "cannot be sent"),
    ],
)
def test_a_document_that_does_not_hold_together_is_refused_without_its_values(
    document: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        AuthConfig.parse(document, slug="acme")
    assert caught.value.message.startswith("acme: auth_config is not understood")
    assert says in caught.value.message
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_credentials_do_not_show_their_secrets() -> None:
    credentials = AuthConfig(type="bearer", env="K").credentials("acme", {"K": "hunter2hunter2"})
    assert credentials.secrets == ("hunter2hunter2",)
    assert "hunter2" not in repr(credentials)
