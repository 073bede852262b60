"""A provider's stored request policy."""

import pytest

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.listing.policy import FetchLimits, RequestPolicy


def test_by_default_nothing_special_is_allowed() -> None:
    assert RequestPolicy.parse({}) == RequestPolicy(allow_private=False, allow_http=False)
    assert RequestPolicy().limits(FetchLimits()) == FetchLimits()


def test_a_provider_has_limits_of_its_own() -> None:
    policy = RequestPolicy.parse({"deadline": 5, "max_pages": 3, "max_total_bytes": 1000})
    limits = policy.limits(FetchLimits(retries=7))
    assert (limits.deadline, limits.max_pages, limits.max_total_bytes, limits.retries) == (5, 3, 1000, 7)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"allow_privat": True}, "allow_privat"),
        ({"requests_per_second": 0}, "requests_per_second"),
        ({"concurrency": "many"}, "concurrency"),
        ({"deadline": float("inf")}, "deadline"),
    ],
)
def test_a_setting_that_is_not_understood_is_named_in_one_line(document: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigurationError, match=f"acme: request_config is not understood: {says}") as caught:
        RequestPolicy.parse(document, slug="acme")
    assert "\n" not in str(caught.value)
