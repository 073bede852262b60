"""Renders the report: one HTML page with its data, styles and libraries inside, which asks nothing of the network.

Names from listings are text everywhere: jinja2 escapes them, data is packed and cannot end its element, and the page's
own Content-Security-Policy runs no script but those that were written here.
"""

import base64
import gzip
import hashlib
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import orjson

from provider_pipeline.extras import require_extras
from provider_pipeline.report import charts
from provider_pipeline.report.contents import CHANGE_DAYS, FACTS, MAX_PRICE_CHANGES, NOTICE_DAYS, Contents
from provider_pipeline.rules.model_columns import HEADINGS

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

UNKNOWN: Final = "\N{EN DASH}"
STATE_META: Final = "catalogue-state"
MAX_CHANGES_LISTED: Final = 40

COLUMNS: Final = (
    *("slug", "model_id", "display_name", *HEADINGS, "cache_read_price"),
    *("capabilities", "released_on", "retires_on", "first_seen_at", "status", "canonical_id"),
)
"""What the page's data has of each model, in this order; capabilities as names."""

_POLICY: Final = (
    "default-src 'none'; script-src blob: {hashes}; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
    "base-uri 'none'; form-action 'none'"
)


def render(contents: Contents) -> str:
    """The page.

    Raises:
        ConfigurationError: The extra `report` is not installed.
    """
    require_extras("report", purpose="the report")
    script = _asset("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    prices = charts.price_by_context(contents)
    data = {
        "columns": COLUMNS,
        "models": [_row(model) for model in contents.models],
        "charts": {
            "price-by-context": prices,
            "capabilities-by-provider": charts.capabilities_by_provider(contents),
            "price-changes": charts.price_changes_by_day(contents),
        },
    }
    return (
        _environment()
        .get_template("report.html")
        .render(
            contents=contents,
            state_meta=STATE_META,
            policy=_POLICY.format(hashes=f"'sha256-{digest}'"),
            script=_verbatim(script),
            styles=_verbatim(_asset("report.css")),
            packed={"data": _packed(orjson.dumps(data, default=str)), **_libraries()},
            prices=prices,
            retirements=[(date.fromisoformat(end.retires_on), end) for end in contents.retirements],
            offers=[_offers(offers) for offers in contents.canonical],
            changes=contents.price_changes[:MAX_CHANGES_LISTED],
            facts=FACTS,
            coverage=_coverage(contents),
            notice_days=NOTICE_DAYS,
            change_days=CHANGE_DAYS,
            max_changes=MAX_PRICE_CHANGES,
            has_samples=any(provider["is_sample"] for provider in contents.providers),
        )
    )


def _row(model: Any) -> list[Any]:
    values = dict(model)
    values["capabilities"] = sorted(name for name, has in values["capabilities"].items() if has)
    values["first_seen_at"] = values["first_seen_at"].date()
    for name in ("input_price", "output_price", "cache_read_price"):
        values[name] = None if values[name] is None else float(values[name])
    return [values[name] for name in COLUMNS]


def _offers(offers: Any) -> dict[str, Any]:
    """A canonical model for the template: its offers, and the span of their input prices."""
    prices = [float(offer["input_price"]) for offer in offers if offer["input_price"] is not None]
    top = max(prices, default=0)
    return {
        **{name: offers[0][name] for name in ("id", "name", "lab", "agreed_context", "providers")},
        "offers": [
            {**offer, "bar": round(100 * float(offer["input_price"]) / top) if offer["input_price"] and top else 0}
            for offer in offers
        ],
        "low": min(prices, default=None),
        "high": max(prices, default=None),
    }


def _coverage(contents: Contents) -> list[dict[str, Any]]:
    """Per provider with models: for each fact, the percentage of models that have it."""
    synced = {provider["slug"]: provider["last_success_at"] for provider in contents.providers}
    return [
        {
            "slug": row["slug"],
            "models": row["models"],
            "shares": [100 * row[fact] // row["models"] for fact in FACTS],
            "last_success_at": synced.get(row["slug"]),
        }
        for row in contents.coverage
    ]


def money(value: Any) -> str:
    """An amount in USD with as many digits as it needs; unknown is a dash."""
    if value is None:
        return UNKNOWN
    amount = float(value)
    if amount and abs(amount) < 0.01:
        return f"${amount:.6f}".rstrip("0")
    return f"${amount:,.4f}".rstrip("0").rstrip(".") if amount != round(amount, 2) else f"${amount:,.2f}"


def tokens(value: int | None) -> str:
    """A number of tokens, shortened; unknown is a dash."""
    if value is None:
        return UNKNOWN
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:.1f}".removesuffix(".0") + letter
    return str(value)


def moment(value: datetime | None) -> str:
    """A time in UTC, or `never`."""
    return "never" if value is None else f"{value:%Y-%m-%d %H:%M} UTC"


def percent(before: Any, after: Any) -> str:
    """A change in percent; None from 0."""
    return f"{100 * (float(after) / float(before) - 1):+.0f}%" if before else ""


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - an extra, loaded when used

    environment = Environment(
        loader=PackageLoader("provider_pipeline.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(money=money, tokens=tokens, moment=moment)
    environment.globals["percent"] = percent
    return environment


def _verbatim(text: str) -> "Markup":
    from markupsafe import Markup  # noqa: PLC0415 - comes with jinja2

    return Markup(text)  # noqa: S704 - written here


def _asset(name: str) -> str:
    return (files("provider_pipeline.report") / "templates" / name).read_text(encoding="utf-8")


@cache
def _libraries() -> dict[str, str]:
    """The libraries of the page, packed. `plotly.offline` has the same file, and takes seconds to import."""
    tables = files("itables") / "html"
    return {
        "plotly": _packed((files("plotly") / "package_data" / "plotly.min.js").read_bytes()),
        "tables-js": _packed((tables / "dt_bundle.js").read_bytes()),
        "tables-css": _packed((tables / "dt_bundle.css").read_bytes()),
    }


def _packed(content: bytes) -> str:
    """Compressed and in base64, which cannot end its element; plotly alone would be 4.8 MB."""
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()
