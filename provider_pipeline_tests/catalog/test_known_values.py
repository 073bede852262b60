"""Names that a search may ask for: those of the knowledge and those that listings brought."""

import pytest

from provider_pipeline.catalog.history import list_changes
from provider_pipeline.catalog.known_values import require_field, require_known
from provider_pipeline.errors import UnknownValueError
from provider_pipeline_tests.catalog.builders import model


@pytest.fixture(autouse=True)
def listed(write) -> None:
    write([model("a", family="own", capabilities={"humming": True}, input_modalities=["smell"], input_price=1)])


def test_names_that_only_a_listing_has_are_known(session):
    require_known(
        session, capabilities=["humming", "tools"], modalities=["smell", "text"], components=["input"], family="own"
    )


def test_a_size_or_quality_of_what_these_tell_apart_is_known(session):
    require_known(session, components=["image_hd_1024x1024", "image_4k", "video_second_1080p"])


@pytest.mark.parametrize("component", ["image_hdd", "input_hd", "video_second_"])
def test_another_name_is_no_size(session, component):
    with pytest.raises(UnknownValueError, match="no price component"):
        require_known(session, components=[component])


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ({"capabilities": ["humming", "hummin"]}, "no capability 'hummin'"),
        ({"modalities": ["smell", "taste"]}, "no modality 'taste'"),
        ({"family": "owl"}, "no family 'owl'"),
    ],
)
def test_a_name_that_nothing_has_is_refused_though_others_are_known(session, asked, refused):
    with pytest.raises(UnknownValueError, match=refused) as caught:
        require_known(session, **asked)
    assert "own" in caught.value.hint or "humming" in caught.value.hint or "smell" in caught.value.hint


def test_each_field_of_a_change_can_be_asked_for(session, write):
    write([model("a", family="mine"), model("b")], hour=1, overridden={"a": ["family"]})
    write([model("b")], hour=2)
    write([model("a"), model("b")], hour=3)
    recorded = {field for change in list_changes(session) for field in change.changed}
    assert {"family", "overridden_fields", "status"} <= recorded
    for field in recorded:
        require_field(field)
