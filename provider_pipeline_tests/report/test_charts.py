"""The report's charts: what they draw, and what they say of the rest."""

from types import SimpleNamespace

from provider_pipeline.report.charts import MAX_POINTS, price_by_context


def contents_with(count: int) -> SimpleNamespace:
    """The models of two providers, each with a price of its own."""
    models = [
        {"slug": slug, "model_id": f"m{number}", "context_length": 8_000, "input_price": number}
        for slug in ("first", "last")
        for number in range(1, count + 1)
    ]
    return SimpleNamespace(models=models)


def test_few_points_are_all_drawn():
    chart = price_by_context(contents_with(3))
    assert (chart["points"], chart["drawn"]) == (6, 6)


def test_of_many_points_every_provider_has_its_share():
    chart = price_by_context(contents_with(MAX_POINTS))
    drawn = {trace["name"]: len(trace["x"]) for trace in chart["data"]}
    assert drawn == {"first": MAX_POINTS // 2, "last": MAX_POINTS // 2}
    assert (chart["points"], chart["drawn"]) == (2 * MAX_POINTS, MAX_POINTS)
