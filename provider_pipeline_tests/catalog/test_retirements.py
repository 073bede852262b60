from datetime import date

from provider_pipeline.catalog import providers
from provider_pipeline.catalog.retirements import retirements
from provider_pipeline_tests.catalog.builders import hours_later, model

ENDS = {"soon": "2026-11-20", "later": "2027-03-01", "past": "2026-10-01"}


def names(session, **limits) -> list[str]:
    return [each.model_id for each in retirements(session, **limits)]


def test_ends_are_listed_by_date_within_their_limits(session, write):
    write([*(model(name, retires_on=day) for name, day in ENDS.items()), model("endless")])
    assert names(session, until=date(2027, 3, 1)) == ["past", "soon", "later"]
    assert names(session, until=date(2027, 2, 28), after=date(2026, 11, 1)) == ["soon"]
    assert names(session, until=date(2027, 3, 1), slugs=["another"]) == []


def test_a_model_that_is_no_longer_listed_or_whose_provider_is_off_has_no_end_ahead(session, write, provider):
    write([model(name, retires_on=day) for name, day in ENDS.items()])
    write([model("soon", retires_on=ENDS["soon"])], now=hours_later(1))
    assert names(session, until=date(2028, 1, 1)) == ["soon"]
    providers.set_enabled(session, provider.slug, False)
    assert names(session, until=date(2028, 1, 1)) == []
