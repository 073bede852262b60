"""Find the model API at an address by requesting the usual listing paths, and describe it as a provider file.

Few requests, one after another, all to the origin named; without a listing of models nothing is found.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Final
from urllib.parse import urlsplit

from provider_pipeline.errors import (
    ConfigurationError,
    ListingError,
    ListingRefusedError,
    ListingUnreachableError,
    ListingUnreadableError,
)
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.policy import FetchLimits, RequestPolicy
from provider_pipeline.listing.redaction import redacted_url
from provider_pipeline.listing.source import ListingEndpoint, ListingSource
from provider_pipeline.presets.library import presets
from provider_pipeline.presets.model import ProviderFile
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.generation.shape import snake
from provider_pipeline.rules.language import compile_expression
from provider_pipeline.rules.validator import RuleValidator

MAX_REQUESTS: Final = 24
REQUESTS_PER_SECOND: Final = 3.0
PROBE_LIMITS: Final = FetchLimits(retries=0, connect_timeout=5, read_timeout=10, deadline=20)
"""Tighter than a sync's: most paths asked for do not exist."""

_TOO_MANY_REQUESTS: Final = 429
_NOT_IN_SLUG: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Probe:
    """One request: its redacted URL, its outcome in one line, and its error unless it was answered with JSON."""

    url: str
    outcome: str
    error: ListingError | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Likeness:
    """How much an answer looks like a listing of models: the sum of the signs' weights, and the signs in words."""

    weight: float
    reasons: tuple[str, ...]

    @property
    def is_enough(self) -> bool:
        """Whether it is taken for a listing of models."""
        return bool(self.weight >= float(_table()["enough"]))


@dataclass(frozen=True)
class DetectedApi:
    """A model API that was found.

    Attributes:
        file: A provider file for it.
        rule: The rule generated from the sample.
        likeness: Why it was taken for a listing of models.
        sample: The listing's first page.
        rows: What the rule extracts from it.
        preset: The slug of the preset for the same host, if any.
    """

    file: ProviderFile
    rule: ExtractionRule
    likeness: Likeness
    sample: Any = field(repr=False)
    rows: Sequence[Mapping[str, Any]] = field(repr=False)
    preset: str | None


@dataclass(frozen=True)
class Detection:
    """Every request in order, and the API found; or the reason why there is none in one line, and what to do."""

    probes: tuple[Probe, ...]
    found: DetectedApi | None = None
    reason: str = ""
    hint: str | None = None


def detect(
    url: str,
    *,
    auth: Mapping[str, Any],
    client: ListingClient,
    policy: RequestPolicy | None = None,
    requests_per_second: float = REQUESTS_PER_SECOND,
    slug: str | None = None,
    on_probe: Callable[[Probe], None] = lambda _: None,
) -> Detection:
    """Look for a listing of models at an address and at the usual paths below it.

    Args:
        url: The address of an API, of a gateway, or of the listing itself.
        auth: How to authorise, in the form of `auth_config`.
        client: Sends the requests.
        policy: What requests may do; becomes part of the provider file.
        requests_per_second: Rate limit.
        slug: For the provider file; by default derived from the host's name.
        on_probe: Called with each probe when it has ended.

    Raises:
        ConfigurationError: The address is not an http(s) URL, or the policy forbids it.
        MissingCredentialError: The key is not where `auth` says.
    """
    allowed = policy or RequestPolicy()
    slow = allowed.model_copy(update={"requests_per_second": requests_per_second, "concurrency": 1})
    known = AuthConfig.parse(auth, slug="auth")
    probes: list[Probe] = []
    for base_url, path in urls_to_probe(url):
        name = urlsplit(base_url).hostname or ""
        source = ListingSource(
            slug=name, base_url=base_url, auth=known, endpoints=(ListingEndpoint(path=path),), policy=slow
        )
        shown = redacted_url(source.url(source.endpoints[0]))
        try:
            document = next(client.pages(source)).document
        except ListingError as error:
            probe = Probe(shown, error.message.removeprefix(f"{name}: "), error)
        else:
            outcome = _examined(document, source, auth, allowed, named=slug)
            if isinstance(outcome, DetectedApi):
                probes.append(Probe(shown, f"{len(outcome.rows)} models"))
                on_probe(probes[-1])
                return Detection(tuple(probes), outcome)
            probe = Probe(shown, f"GET {shown} answered JSON, but {outcome}")
        probes.append(probe)
        on_probe(probe)
        if _stops_probing(probe.error):
            break
    return Detection(tuple(probes), None, *_verdict(url, probes, has_key=known.type != "none"))


def urls_to_probe(url: str) -> list[tuple[str, str]]:
    """Distinct base URLs and paths to request: the address itself, the usual paths below it, then those of its host.

    Raises:
        ConfigurationError: It is not an http(s) URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigurationError(f"{redacted_url(url)!r} is not an http(s) URL", hint="expected https://HOST[/PATH]")
    usual: list[str] = _table()["paths"]
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    query = f"?{parts.query}" if parts.query else ""
    places = [(origin, path + query)] if path or query else []
    if path and not query:
        # An address that ends with /v1 is not followed by another /v1.
        places += [(origin + path, each) for each in usual if not path.endswith(f"/{each.split('/')[1]}")]
    places += [(origin, each) for each in usual]
    places += [] if path or query else [(origin, "")]
    unique: dict[str, tuple[str, str]] = {}
    for base, below in places:
        unique.setdefault(base + below, (base, below))
    return list(unique.values())[:MAX_REQUESTS]


def slug_of(base_url: str) -> str:
    """A slug from the registered part of a host's name; empty for localhost and IP addresses."""
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    labels = host.split(".")
    if host in ("", "localhost") or labels[-1].isdigit() or ":" in host:
        return ""
    # A country code may have another level below it, such as co.uk.
    second = len(labels) > 2 and len(labels[-2]) <= 3 and len(labels[-1]) == 2
    registered = labels[0] if len(labels) == 1 else labels[-3 if second else -2]
    return _NOT_IN_SLUG.sub("-", registered.lower()).strip("-")


def preset_at(base_url: str) -> str | None:
    """The slug of the preset whose API is on the same host, if any."""
    host = urlsplit(base_url).netloc.lower()
    return next((each.slug for each in presets().values() if urlsplit(each.base_url).netloc.lower() == host), None)


def model_likeness(sample: Any, rule: ExtractionRule, rows: Sequence[Mapping[str, Any]]) -> Likeness:
    """Weigh the signs that an answer lists models, given the rule generated for it and the rows that it extracts."""
    if not rows:
        return Likeness(0.0, ("the rule extracts no row from it",))
    signs = [sign for sign in _signs(sample, rule, rows) if sign[0]]
    return Likeness(round(sum(weight for weight, _ in signs), 3), tuple(reason for _, reason in signs))


def _signs(sample: Any, rule: ExtractionRule, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[float, str]]:
    table = _table()
    kind = rule.metadata.get("provider_kind") or {}
    if kind.get("kind") and kind["confidence"] >= table["kind"]["least_confidence"]:
        yield table["kind"]["weight"], f"it has the marks of {kind['title']}"
    known = sum(row["family"] is not None for row in rows) / len(rows)
    yield round(table["names"]["weight"] * known, 3), f"{known:.0%} of the ids are names of known model families"
    endpoint = rule.endpoints[0]
    fields = [name for name in table["fields"]["names"] if name in endpoint.fields]
    yield table["fields"]["weight"] * len(fields), f"its items state {', '.join(fields)}"
    words = {snake(part) for part in re.split(r"[.\[()]", endpoint.selector)}
    if words & set(table["container"]["words"]):
        yield table["container"]["weight"], "the list's key speaks of models"
    if any("evidence" in row["capability_sources"].values() for row in rows):
        yield table["evidence"]["weight"], "its items state what models can do"
    items = compile_expression(endpoint.selector)(sample)
    objects = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    for sign in ("keys", "others"):
        for key in table[sign]["keys"]:
            if objects and sum(key in item for item in objects) > 0.5 * len(objects):
                yield table[sign]["weight"], f"its items have {key!r}"


def _examined(
    document: Any, source: ListingSource, auth: Mapping[str, Any], policy: RequestPolicy, *, named: str | None
) -> DetectedApi | str:
    """The API, or why the document is not a listing of models."""
    analysis = RuleGenerator().analyze_sample(document)
    rule = ExtractionRule.parse(analysis)
    if any(issue["severity"] == "error" for issue in analysis["issues"]):
        return "it has no list of objects with ids"
    result = RuleValidator().validate_rule(rule, document)
    likeness = model_likeness(document, rule, result["extracted_models"])
    if not likeness.is_enough or not result["valid"]:
        return f"its list is not one of models ({'; '.join(likeness.reasons) or 'no sign of models'})"
    kind = (rule.metadata.get("provider_kind") or {}).get("kind")
    slug = named or slug_of(source.base_url) or kind or "gateway"
    endpoint: dict[str, Any] = {"path": source.endpoints[0].path}
    if rule.endpoints[0].pagination not in (None, {"type": "none"}):
        endpoint["pagination"] = rule.endpoints[0].pagination
    request = policy.model_dump(mode="json", exclude_defaults=True)
    # Only fields that are set: the file is written as YAML without the others.
    file = ProviderFile.model_validate(
        {
            "slug": slug,
            "name": slug.replace("-", " ").title(),
            **({"kind": "self_hosted"} if policy.allow_private else {}),
            "base_url": source.base_url,
            "auth": dict(auth),
            "endpoints": [endpoint],
            **({"request": request} if request else {}),
            **({"works_without_key": True} if source.auth.type == "none" else {}),
        }
    )
    rows = tuple(result["extracted_models"])
    return DetectedApi(file, rule, likeness, document, rows, preset_at(source.base_url))


def _stops_probing(error: ListingError | None) -> bool:
    """Whether further requests are pointless (nothing answers) or unwelcome (too many)."""
    if isinstance(error, ListingRefusedError):
        return error.status == _TOO_MANY_REQUESTS
    return isinstance(error, ListingUnreachableError)


def _verdict(url: str, probes: Sequence[Probe], *, has_key: bool) -> tuple[str, str | None]:
    """Why there is no model API, by the most telling probe, and what to do."""
    telling = next(_most_telling_first(probes))
    others = len(probes) - 1
    more = f"; nor at {others} other path{'' if others == 1 else 's'}" if others else ""
    reason = f"no model API found at {redacted_url(url)}: {telling.outcome}{more}"
    error = telling.error
    if error is None:
        return reason, "if its models are listed at another path, give that URL"
    if error.stage != "authorised":
        return reason, error.hint
    if has_key:
        return reason, f"{error.hint}; a key that goes into another header needs --key-header NAME"
    return reason, "give the variable that holds its key with --key-env NAME"


def _most_telling_first(probes: Sequence[Probe]) -> Iterator[Probe]:
    yield from (each for each in probes if isinstance(each.error, ListingUnreachableError))
    yield from (each for each in probes if each.error is not None and each.error.stage == "authorised")
    yield from (each for each in probes if each.error is None)
    yield from (each for each in probes if isinstance(each.error, ListingUnreadableError))
    yield from probes


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads((resources.files(__package__) / "detection.toml").read_text(encoding="utf-8"))
