"""Patterns of rules mean what they look like, or are refused."""

import pytest

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.patterns import RegexSet


def test_a_repetition_without_a_least_number_is_refused_since_re2_takes_it_for_text():
    with pytest.raises(InvalidRuleError, match=r"write \{0,2\} in"):
        RegexSet([r"gpt-\d{,2}"])
    assert RegexSet([r"gpt-\d{0,2}"]).matches("gpt-41") == [0]
    assert RegexSet([r"a\{,2}"]).matches("a{,2}") == [0]
