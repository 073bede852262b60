"""The report's charts, as plotly's JSON; colours and fonts are the page's, which knows whether it is dark.

Names from listings are escaped, because plotly reads its texts as a kind of HTML.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from html import escape
from typing import Any, Final

from provider_pipeline.report.contents import Contents
from provider_pipeline.rules.matching import capability_names

MAX_POINTS: Final = 2_000
"""Points in a chart: each is an element of the page, and 6,000 took a browser ten seconds."""
MAX_NAMED: Final = 8
"""Providers with a colour of their own; the others share one."""
MAX_NAMES: Final = 6
MAX_ROWS: Final = 40

Chart = dict[str, Any]


def price_by_context(contents: Contents) -> Chart:
    """The input price against the context window, a point for each pair that a provider offers; of many, every nth."""
    points: dict[tuple[str, int, float], list[str]] = {}
    for model in contents.models:
        if model["context_length"] and model["input_price"]:
            key = (model["slug"], model["context_length"], float(model["input_price"]))
            points.setdefault(key, []).append(model["model_id"])
    step = -(-len(points) // MAX_POINTS) or 1
    kept = sorted(points)[::step]
    named = [slug for slug, _ in Counter(slug for slug, *_ in kept).most_common(MAX_NAMED)]
    traces = []
    for name in [*named, None]:
        mine = [key for key in kept if (key[0] == name if name else key[0] not in named)]
        if mine:
            trace = {
                "type": "scatter",
                "mode": "markers",
                "name": escape(name) if name else "others",
                "x": [context for _, context, _ in mine],
                "y": [price for *_, price in mine],
                "text": [_names(slug, points[slug, context, price]) for slug, context, price in mine],
                "hovertemplate": "%{text}<br>%{x:,} tokens, $%{y:,.4~f} per million<extra></extra>",
            }
            traces.append(trace)
    return {
        "points": len(points),
        "drawn": len(kept),
        "data": traces,
        "layout": {
            "xaxis": {"type": "log", "dtick": 1, "tickformat": "~s", "title": {"text": "context window (tokens)"}},
            "yaxis": {"type": "log", "dtick": 1, "tickprefix": "$", "title": {"text": "USD per million input tokens"}},
            "height": 460,
        },
    }


def capabilities_by_provider(contents: Contents) -> Chart:
    """How many models of each provider are known to have each capability; the colour is their share."""
    totals = {row["slug"]: row["models"] for row in contents.coverage[:MAX_ROWS]}
    known = {capability for _, capability in contents.capabilities}
    columns = [name for name in capability_names() if name in known]
    columns += sorted(known - set(columns))
    counts = [[contents.capabilities.get((slug, name), 0) for name in columns] for slug in totals]
    shares = [[count / total for count in row] for row, total in zip(counts, totals.values(), strict=True)]
    return {
        "data": [
            {
                "type": "heatmap",
                "x": [escape(name.replace("_", " ")) for name in columns],
                "y": [f"{escape(slug)} ({total:,})" for slug, total in totals.items()],
                "z": shares,
                "zmin": 0,
                "zmax": 1,
                "text": [[str(count) if count else "" for count in row] for row in counts],
                "texttemplate": "%{text}",
                "customdata": counts,
                "hovertemplate": "%{y}<br>%{x}: %{customdata:,} models, %{z:.0%}<extra></extra>",
                "xgap": 2,
                "ygap": 2,
                "showscale": False,
            }
        ],
        "layout": {
            "xaxis": {"side": "top", "tickangle": -40, "showgrid": False},
            "yaxis": {"autorange": "reversed", "showgrid": False},
            "height": 150 + 26 * max(len(totals), 3),
        },
    }


def price_changes_by_day(contents: Contents) -> Chart:
    """How many prices rose and fell on each day."""
    rose: Counter[str] = Counter()
    fell: Counter[str] = Counter()
    for change in contents.price_changes:
        (rose if change["after"] > change["before"] else fell)[change["changed_at"].date().isoformat()] += 1
    days = sorted({*rose, *fell})
    return {
        "data": [
            _bars("cheaper", days, [fell[day] for day in days]),
            _bars("dearer", days, [rose[day] for day in days]),
        ],
        "layout": {
            "barmode": "stack",
            "bargap": 0.25,
            "xaxis": {"type": "date", "tickformat": "%d %b", "range": _range(days)},
            "yaxis": {"title": {"text": "prices that changed"}, "tickformat": ",d"},
            "height": 320,
        },
    }


def _bars(name: str, days: list[str], counts: list[int]) -> Chart:
    return {
        "type": "bar",
        "name": name,
        "x": days,
        "y": counts,
        "width": 18 * 3600 * 1000,
        "hovertemplate": "%{x|%d %B %Y}: %{y:,} " + name + "<extra></extra>",
        "marker": {"color": f"--{name}"},
    }


def _range(days: list[str]) -> list[str] | None:
    """A fortnight at least, so that one day's bar is not as wide as the chart."""
    if not days:
        return None
    first, last = (date.fromisoformat(day) for day in (days[0], days[-1]))
    first = min(first, last - timedelta(days=13))
    return [f"{first - timedelta(days=1)}T12:00", f"{last}T23:00"]


def _names(slug: str, models: Iterable[str]) -> str:
    ids = sorted(models)
    lines = [escape(each if len(each) <= 60 else f"{each[:59]}…") for each in ids[:MAX_NAMES]]
    if len(ids) > MAX_NAMES:
        lines.append(f"and {len(ids) - MAX_NAMES:,} more")
    return f"<b>{escape(slug)}</b><br>{'<br>'.join(lines)}"
