from datetime import timedelta

import pytest

from provider_pipeline.catalog import api_tokens
from provider_pipeline.errors import CatalogError
from provider_pipeline_tests.catalog.builders import NOON, hours_later


def find(session, token: str, *, now=NOON):
    return api_tokens.find(session, api_tokens.token_digest(token), now=now)


def test_a_token_is_found_by_its_digest_until_it_expires(session):
    token = api_tokens.create(session, "ci", "sync", expires_at=hours_later(1))
    found = find(session, token)
    assert (found.name, found.scope) == ("ci", "sync")
    assert find(session, token, now=hours_later(1)) is None
    assert find(session, token + "x") is None


def test_a_revoked_token_is_not_accepted_and_its_name_is_free_again(session):
    token = api_tokens.create(session, "ci", "read")
    with pytest.raises(CatalogError, match="in use already"):
        api_tokens.create(session, "ci", "read")
    api_tokens.revoke(session, "ci")
    assert find(session, token) is None
    assert find(session, api_tokens.create(session, "ci", "admin")).scope == "admin"
    with pytest.raises(CatalogError, match="no token 'other' is in use"):
        api_tokens.revoke(session, "other")


def test_use_is_recorded_at_most_once_a_minute(session):
    token = api_tokens.create(session, "ci", "read")
    for seconds in (0, 30, 61):
        find(session, token, now=NOON + timedelta(seconds=seconds))
    (stored,) = api_tokens.list_tokens(session)
    assert stored.last_used_at == NOON + timedelta(seconds=61)
    find(session, token, now=NOON + timedelta(seconds=90))
    assert api_tokens.list_tokens(session)[0].last_used_at == NOON + timedelta(seconds=61)
