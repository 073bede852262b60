"""What kind of API is at an address, by asking where listings usually are.

Here: which URLs are asked, in which order, and what the answers come to. Not here: the requests (`listing`), whether an
answer lists models (`provider_pipeline.rules`), registering what was found (`registration`). The concept: few requests,
one after the other, all to the origin that was named, and no guess: without a listing of models there is no finding.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
from provider_pipeline.rules.generation.list_detection import Likeness, model_likeness
from provider_pipeline.rules.validator import RuleValidator

MOST_REQUESTS: Final = 24
REQUESTS_PER_SECOND: Final = 3.0
PROBE_LIMITS: Final = FetchLimits(retries=0, connect_timeout=5, read_timeout=10, deadline=20)
"""What each request may cost: nobody waits for an address that may be nothing."""

_TOO_MANY: Final = 429
_NO_SLUG: Final = re.compile(r"[^a-z0-9]+")
_SHORT: Final = 3


@dataclass(frozen=True)
class Probe:
    """One request and what it came to.

    Attributes:
        url: What was asked, redacted.
        outcome: One line.
        error: What it failed with; None for an answer in JSON.
    """

    url: str
    outcome: str
    error: ListingError | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Found:
    """A model API.

    Attributes:
        file: The provider file for it.
        rule: The generated rule.
        likeness: Why it was taken for a listing of models.
        sample: The listing's first page.
        rows: What the rule reads of it.
        preset: The preset of the same address, if there is one.
    """

    file: ProviderFile
    rule: ExtractionRule
    likeness: Likeness
    sample: Any = field(repr=False)
    rows: Sequence[Mapping[str, Any]] = field(repr=False)
    preset: str | None


@dataclass(frozen=True)
class Detection:
    """What came of asking.

    Attributes:
        probes: Every request, in order.
        found: The API, if it is one.
        reason: Why it is none, in one line.
        hint: What to do about that.
    """

    probes: tuple[Probe, ...]
    found: Found | None = None
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
    told: Callable[[Probe], None] = lambda _: None,
) -> Detection:
    """Looks for a listing of models at an address and at the usual paths below it.

    Args:
        url: The address of an API, of a gateway, or of the listing itself.
        auth: How to authorise, as `auth_config` stores it.
        client: Sends the requests.
        policy: What requests may do; stands in the provider file, too.
        requests_per_second: How fast to ask.
        slug: For the provider file; told from the host's name when left out.
        told: Is shown each request's outcome at once.

    Raises:
        ConfigurationError: The address cannot be asked, or is one that the policy does not allow.
        MissingCredentialError: The key is not where it should be.
    """
    allowed = policy or RequestPolicy()
    slow = allowed.model_copy(update={"requests_per_second": requests_per_second, "concurrency": 1})
    known = AuthConfig.parse(auth, slug="auth")
    probes: list[Probe] = []
    for base_url, path in places_to_ask(url):
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
            outcome = _looked_at(document, source, auth, allowed, named=slug)
            if isinstance(outcome, Found):
                probes.append(Probe(shown, f"{len(outcome.rows)} models"))
                told(probes[-1])
                return Detection(tuple(probes), outcome)
            probe = Probe(shown, f"GET {shown} answered JSON, and {outcome}")
        probes.append(probe)
        told(probe)
        if _ends_it(probe):
            break
    return Detection(tuple(probes), None, *_verdict(url, probes, has_key=known.type != "none"))


def places_to_ask(url: str) -> list[tuple[str, str]]:
    """Base URLs and paths to ask, each URL once: the address itself, the usual paths below it, then those of its host.

    Raises:
        ConfigurationError: It is no http(s) URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigurationError(
            f"{redacted_url(url)!r} is not a URL that can be asked", hint="expected https://HOST[/PATH]"
        )
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    query = f"?{parts.query}" if parts.query else ""
    places = [(origin, path + query)] if path or query else []
    if path and not query:
        # An address that ends with /v1 is not followed by another /v1.
        places += [(origin + path, each) for each in _paths() if not path.endswith(f"/{each.split('/')[1]}")]
    places += [(origin, each) for each in _paths()]
    places += [] if path or query else [(origin, "")]
    unique: dict[str, tuple[str, str]] = {}
    for base, below in places:
        unique.setdefault(base + below, (base, below))
    return list(unique.values())[:MOST_REQUESTS]


def slug_of(base_url: str) -> str:
    """A slug from a host's name: the part that was registered; empty for a host that has none."""
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    labels = host.split(".")
    if host in ("", "localhost") or labels[-1].isdigit() or ":" in host:
        return ""
    # Under a country's code there may be another level, such as co.uk.
    second = len(labels) > 2 and len(labels[-2]) <= _SHORT and len(labels[-1]) == 2
    registered = labels[0] if len(labels) == 1 else labels[-3 if second else -2]
    return _NO_SLUG.sub("-", registered.lower()).strip("-")


def _looked_at(
    document: Any, source: ListingSource, auth: Mapping[str, Any], policy: RequestPolicy, *, named: str | None
) -> Found | str:
    """The finding, or why the document is no listing of models."""
    analysis = RuleGenerator().analyze_sample(document)
    rule = ExtractionRule.parse(analysis)
    if any(issue["severity"] == "error" for issue in analysis["issues"]):
        return "it holds no list of things with ids"
    result = RuleValidator().validate_rule(rule, document)
    likeness = model_likeness(document, rule, result["extracted_models"])
    if not likeness.is_enough or not result["valid"]:
        return f"its list is none of models ({'; '.join(likeness.reasons) or 'nothing in it speaks for that'})"
    kind = (rule.metadata.get("provider_kind") or {}).get("kind")
    local = policy.allow_private
    slug = named or slug_of(source.base_url) or kind or "gateway"
    endpoint: dict[str, Any] = {"path": source.endpoints[0].path}
    if rule.endpoints[0].pagination not in (None, {"type": "none"}):
        endpoint["pagination"] = rule.endpoints[0].pagination
    request = policy.model_dump(mode="json", exclude_defaults=True)
    file = ProviderFile.model_validate(
        {
            "slug": slug,
            "name": slug.replace("-", " ").title(),
            **({"kind": "self_hosted"} if local else {}),
            "base_url": source.base_url,
            "auth": dict(auth),
            "endpoints": [endpoint],
            **({"request": request} if request else {}),
            **({"works_without_key": True} if source.auth.type == "none" else {}),
        }
    )
    return Found(file, rule, likeness, document, tuple(result["extracted_models"]), preset_at(source.base_url))


def preset_at(base_url: str) -> str | None:
    """The preset whose API is on the same host, if there is one."""
    host = urlsplit(base_url).netloc.lower()
    return next((each.slug for each in presets().values() if urlsplit(each.base_url).netloc.lower() == host), None)


def _ends_it(probe: Probe) -> bool:
    """Whether asking for further paths is no use, or no longer welcome."""
    error = probe.error
    if isinstance(error, ListingRefusedError):
        return error.status == _TOO_MANY
    return isinstance(error, ListingUnreachableError)


def _verdict(url: str, probes: Sequence[Probe], *, has_key: bool) -> tuple[str, str | None]:
    """Why there is no model API, by the most telling request, and what to do."""
    telling = next(_most_telling_first(probes))
    others = len(probes) - 1
    more = f"; {others} other path{'' if others == 1 else 's'} led no further" if others else ""
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


def _paths() -> list[str]:
    text = (resources.files(__package__) / "listing_paths.toml").read_text(encoding="utf-8")
    return [str(path) for path in tomllib.loads(text)["paths"]]
