from provider_pipeline.catalog import overrides, set_override
from provider_pipeline_tests.catalog.builders import model


def test_an_override_is_kept_by_a_sync(session, provider, write, row_versions):
    set_override(session, provider.id, "a", {"family": "mine"}, "the listing is wrong")
    session.commit()
    before = row_versions("provider_model_override")
    write([model("a")])
    write([model("b")], hour=1, removal_after=1)
    assert overrides(session, provider.id) == {"a": {"family": "mine"}}
    assert row_versions("provider_model_override") == before


def test_setting_the_same_override_again_touches_no_row_and_another_replaces_it(session, provider, row_versions):
    set_override(session, provider.id, "a", {"family": "mine"}, "wrong")
    session.commit()
    before = row_versions("provider_model_override")
    set_override(session, provider.id, "a", {"family": "mine"}, "wrong")
    session.commit()
    assert row_versions("provider_model_override") == before
    set_override(session, provider.id, "a", {"context_length": 5}, "wrong")
    assert overrides(session, provider.id) == {"a": {"context_length": 5}}
