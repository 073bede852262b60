"""The forms together: the same bytes for the same table, every model named, and unknown names refused."""

import pytest

from provider_pipeline.errors import ConfigurationError, UnknownProviderError
from provider_pipeline.exports.forms import FORMS, find_form
from provider_pipeline_tests.exports.conftest import ACME, Exporter


@pytest.mark.parametrize("form", FORMS)
def test_the_same_table_gives_the_same_bytes(exported: Exporter, form: str):
    assert exported(form).content == exported(form).content


@pytest.mark.parametrize("form", FORMS)
def test_every_model_is_in_the_file_or_named(exported: Exporter, form: str):
    found = exported(form)
    assert found.report.models + len(found.report.left_out) == len(ACME)
    assert found.report.size == len(found.content) > 0


def test_unknown_forms_and_providers_are_refused(exported: Exporter):
    with pytest.raises(ConfigurationError, match="litellm"):
        find_form("litelm")
    with pytest.raises(UnknownProviderError, match="nobody"):
        exported("csv", slugs=("nobody",))
