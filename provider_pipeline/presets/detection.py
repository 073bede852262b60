"""Find the model API at an address by requesting the usual listing paths, and describe it as a provider file.

Few requests, one after another, all to the origin named. A listing that was named itself is believed; one at a usual
path must look like a listing of models, and the richest is chosen.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
from provider_pipeline.listing.endpoints import ListingEndpoint, ListingSource
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline.listing.policy import RequestPolicy
from provider_pipeline.listing.redaction import redacted_url
from provider_pipeline.presets.library import presets
from provider_pipeline.presets.listing_score import ListingScore, detection_table, score_empty_listing, score_listing
from provider_pipeline.presets.model import ProviderFile
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.validator import RuleValidator

MAX_REQUESTS: Final = 32
REQUESTS_PER_SECOND: Final = 3.0
PROBE_LIMITS: Final = FetchLimits(retries=0, connect_timeout=5, read_timeout=10, deadline=20)
"""Tighter than a sync's: most paths asked for do not exist."""

_TOO_MANY_REQUESTS: Final = 429
_ABSENT: Final = frozenset({404, 405, 410, 501})
"""Statuses of a path that does not exist."""
_UNNAMED: Final = "gateway"
_NOT_IN_SLUG: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Probe:
    """One request: its redacted URL, its outcome in one line, and its error unless it was answered with JSON."""

    url: str
    outcome: str
    error: ListingError | None = field(default=None, repr=False)

    @property
    def is_about_the_key(self) -> bool:
        """Whether it was refused for its key: by status, or by an error whose message speaks of keys."""
        error = self.error
        if error is None or error.stage == "authorised":
            return error is not None
        words = detection_table()["key"]["words"]
        return self.is_telling_refusal and any(word in self.outcome.lower() for word in words)

    @property
    def is_telling_refusal(self) -> bool:
        """Whether the path exists, and the server would not or could not answer."""
        return isinstance(self.error, ListingRefusedError) and self.error.status not in _ABSENT

    @property
    def is_absent(self) -> bool:
        """Whether the server has nothing at the path."""
        return isinstance(self.error, ListingRefusedError) and self.error.status in _ABSENT

    @property
    def is_at_root(self) -> bool:
        """Whether it asked for the host's start page."""
        return urlsplit(self.url).path in ("", "/")


@dataclass(frozen=True)
class DetectedApi:
    """A model API that was found.

    Attributes:
        file: A provider file for it.
        rule: The rule generated from the sample; None for an empty listing.
        score: Why it was taken for a listing of models.
        sample: The listing's first page; None for an empty listing.
        rows: What the rule extracts from it.
        preset: The slug of the preset for the same host, if any.
    """

    file: ProviderFile
    rule: ExtractionRule | None
    score: ListingScore
    sample: Any = field(repr=False)
    rows: Sequence[Mapping[str, Any]] = field(repr=False)
    preset: str | None

    @property
    def facts(self) -> float:
        """How many facts the listing states about a model, on average."""
        names = detection_table()["fields"]["names"]
        stated = sum(
            sum(row.get(name) is not None for name in names)
            + sum(source == "evidence" for source in row["capability_sources"].values())
            for row in self.rows
        )
        return float(stated / max(len(self.rows), 1))

    def is_richer_than(self, other: "DetectedApi") -> bool:
        """Whether it states more about the models of another listing, and leaves out hardly any of them."""
        if not other.rows:
            return bool(self.rows)
        ids, others = ({row["model_id"] for row in each.rows} for each in (self, other))
        return self.facts > other.facts and len(ids & others) >= float(detection_table()["least_covered"]) * len(others)


@dataclass(frozen=True)
class Detection:
    """Every request in order, and the API found, or the reason in one line and what to do."""

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
    found: DetectedApi | None = None
    for place, (base_url, path) in enumerate(urls_to_probe(url)):
        if found is not None and found.file.base_url != base_url:
            continue  # The listings compared are those of one API.
        given = place == 0 and bool(path) and _names_more_than_a_host(url)
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
            outcome = _examined(document, source, auth, allowed, named=slug, given=given)
            if isinstance(outcome, DetectedApi):
                probe = Probe(shown, f"GET {shown}: {len(outcome.rows)} models")
                found = outcome if found is None or outcome.is_richer_than(found) else found
            else:
                probe = Probe(shown, f"GET {shown} answered JSON, but {outcome}")
        probes.append(probe)
        on_probe(probe)
        if (given and found is not None) or _stops_probing(probe.error):
            break
    if found is not None:
        return Detection(tuple(probes), found)
    return Detection(tuple(probes), None, *_verdict(url, probes, known))


def urls_to_probe(url: str) -> list[tuple[str, str]]:
    """Distinct base URLs and paths to request: the address itself, the usual paths below it, then those of its host.

    Raises:
        ConfigurationError: It is not an http(s) URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigurationError(f"{redacted_url(url)!r} is not an http(s) URL", hint="expected https://HOST[/PATH]")
    usual: list[str] = detection_table()["paths"]
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    query = f"?{parts.query}" if parts.query else ""
    # As it was given: some servers tell /list from /list/.
    places = [(origin, parts.path + query)] if path or query else []
    if path and not query:
        # An address that ends with /v1 is not followed by another /v1.
        places += [(origin + path, each) for each in usual if not path.endswith(f"/{each.split('/')[1]}")]
    places += [(origin, each) for each in usual]
    places += [] if path or query else [(origin, "")]
    unique: dict[str, tuple[str, str]] = {}
    for base, below in places:
        unique.setdefault(base + below, (base, below))
    return list(unique.values())[:MAX_REQUESTS]


def _names_more_than_a_host(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.path.rstrip("/") or parts.query)


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


def _examined(
    document: Any,
    source: ListingSource,
    auth: Mapping[str, Any],
    policy: RequestPolicy,
    *,
    named: str | None,
    given: bool,
) -> DetectedApi | str:
    """The API, or why the document is not a listing of models.

    A listing at an address that was `given` needs no sign of models, and may be empty.
    """
    path = source.endpoints[0].path
    if _is_empty(document):
        score = score_empty_listing(document, path)
        if not score.is_enough and not given:
            return "its list is empty: it has no list of objects with ids"
        file = _provider_file(source, auth, policy, slug=named or slug_of(source.base_url) or _UNNAMED)
        return DetectedApi(file, None, _believed(score), None, (), preset_at(source.base_url))
    analysis = RuleGenerator().analyze_sample(document)
    rule = ExtractionRule.parse(analysis)
    if any(issue["severity"] == "error" for issue in analysis["issues"]):
        return "it has no list of objects with ids"
    result = RuleValidator().validate_rule(rule, document)
    rows = tuple(result["extracted_models"])
    score = score_listing(document, rule, rows, path=path)
    if not score.is_enough and not given:
        return f"its list is not one of models ({'; '.join(score.reasons) or 'no sign of models'})"
    if not result["valid"] or not rows:
        errors = [issue["message"] for issue in result["issues"] if issue["severity"] == "error"]
        return f"no valid rule can be written for its list ({'; '.join(errors[:2]) or 'it names no models'})"
    kind = (rule.metadata.get("provider_kind") or {}).get("kind")
    slug = named or slug_of(source.base_url) or kind or _UNNAMED
    file = _provider_file(source, auth, policy, slug=slug, pagination=rule.endpoints[0].pagination)
    return DetectedApi(file, rule, _believed(score), document, rows, preset_at(source.base_url))


def _believed(score: ListingScore) -> ListingScore:
    """The score of a listing that was accepted: one without enough signs is at the address that was given."""
    given = () if score.is_enough else ("it is the address that was given",)
    return ListingScore(score.weight, (*given, *score.reasons))


def _is_empty(document: Any) -> bool:
    """Whether it is an empty list, alone or as the only container of an object."""
    if isinstance(document, dict):
        containers = [value for value in document.values() if isinstance(value, (list, dict))]
        return len(containers) == 1 and containers[0] == []
    return bool(document == [])


def _provider_file(
    source: ListingSource,
    auth: Mapping[str, Any],
    policy: RequestPolicy,
    *,
    slug: str,
    pagination: Mapping[str, Any] | None = None,
) -> ProviderFile:
    endpoint: dict[str, Any] = {"path": source.endpoints[0].path}
    if pagination not in (None, {"type": "none"}):
        endpoint["pagination"] = pagination
    request = policy.model_dump(mode="json", exclude_defaults=True)
    # Only fields that are set: the file is written as YAML without the others.
    return ProviderFile.model_validate(
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


def _stops_probing(error: ListingError | None) -> bool:
    """Whether further requests are pointless (nothing answers) or unwelcome (too many)."""
    if isinstance(error, ListingRefusedError):
        return error.status == _TOO_MANY_REQUESTS
    return isinstance(error, ListingUnreachableError)


def _verdict(url: str, probes: Sequence[Probe], auth: AuthConfig) -> tuple[str, str | None]:
    """Why there is no model API, from the most informative probe, with a remedy."""
    telling = next(_most_telling_first(probes))
    others = len(probes) - 1
    more = f"; nor at {others} other path{'' if others == 1 else 's'}" if others else ""
    reason = f"no model API found at {redacted_url(url)}: {telling.outcome}{more}"
    if telling.error is None:
        return reason, "if that is its listing, or its models are listed at another path, give that URL"
    key = "give the variable that holds its key with --key-env NAME"
    if auth.places:
        names = ", ".join(place.name for place in auth.places)
        key = f"check the key in {names}; a key that goes into another header needs --key-header NAME"
    if telling.is_about_the_key:
        return reason, key
    if telling.is_telling_refusal:
        return reason, f"{telling.error.hint}; some gateways refuse a missing or wrong key like this: {key}"
    return reason, telling.error.hint


def _most_telling_first(probes: Sequence[Probe]) -> Iterator[Probe]:
    # A host's start page proves least: a gateway has one regardless of its listing.
    paths = [each for each in probes if not each.is_at_root]
    yield from (each for each in probes if isinstance(each.error, ListingUnreachableError))
    yield from (each for each in probes if each.is_about_the_key)
    yield from (each for each in paths if each.error is None)
    yield from (each for each in paths if each.is_telling_refusal or isinstance(each.error, ListingUnreadableError))
    yield from (each for each in probes if each.error is None or isinstance(each.error, ListingUnreadableError))
    yield from probes
