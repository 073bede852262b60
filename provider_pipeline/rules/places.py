"""Which URLs a rule requests: endpoints, the models' own answers, further pages. Changing them needs approval."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from provider_pipeline.rules.document import Endpoint, ExtractionRule
from provider_pipeline.rules.generation.pagination import stays_on_its_path
from provider_pipeline.rules.pagination import NoPagination, OffsetPagination, Pagination, parse_pagination
from provider_pipeline.rules.rows import canonical_json

_PARTS: Final = ("path", "detail", "pagination")
_SHOWN: Final = 300


@dataclass(frozen=True)
class _Place:
    """Everything that determines the URLs of an endpoint.

    Attributes:
        path: The endpoint's path.
        detail: The path of the models' own answers, if any.
        ids: The selector and id field that fill in that path, if any.
        pagination: Without a `total` that only checks completeness.
    """

    path: str
    detail: str | None
    ids: tuple[str, str] | None
    pagination: Pagination

    def __str__(self) -> str:
        parts = [self.path or "the base URL"]
        if self.detail is not None:
            parts.append(f"with each model at {self.detail}")
        if self.ids is not None:
            parts.append(f"whose ids are {' of '.join(reversed(self.ids))}")
        if not isinstance(self.pagination, NoPagination):
            parts.append(f"paged by {canonical_json(self.pagination.model_dump(mode='json', exclude_none=True))}")
        text = ", ".join(parts)
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."


def place_changes(active: ExtractionRule | None, candidate: ExtractionRule, *, generated: bool = False) -> list[str]:
    """What only the candidate requests, and what only the active rule does, one line each.

    Args:
        active: The rule whose requests a person approved, if any.
        candidate: The rule that would replace it.
        generated: Whether our generator wrote the candidate. Then its pagination may differ if it stays on the path,
            because the parameter is from the shipped vocabulary and its value from beside the list; and so may the ids
            of the models' own answers, which come from the listing.
    """
    ours = [_place(endpoint) for endpoint in active.endpoints] if active is not None else []
    theirs = [_as_agreed(endpoint, ours) if generated else _place(endpoint) for endpoint in candidate.endpoints]
    before, after = Counter(ours), Counter(theirs)
    return [*(f"asks {each}" for each in after - before), *(f"no longer asks {each}" for each in before - after)]


def with_places_of(rule: ExtractionRule, active: ExtractionRule) -> ExtractionRule:
    """The rule with paths, details and pagination that it does not state taken from the active rule.

    They come from the endpoint of the same path or, if it states none, in the same position.
    """
    return rule.model_copy(update={"endpoints": tuple(_completed(rule, active))})


def without_asking_hints(rule: ExtractionRule) -> ExtractionRule:
    """The rule without what its pagination says for servers that answer otherwise: `also` and `whole`."""

    def plain(endpoint: Endpoint) -> Endpoint:
        if endpoint.pagination is None:
            return endpoint
        kept = {key: value for key, value in endpoint.pagination.items() if key not in ("also", "whole")}
        return endpoint.model_copy(update={"pagination": kept})

    return rule.model_copy(update={"endpoints": tuple(map(plain, rule.endpoints))})


def _completed(rule: ExtractionRule, active: ExtractionRule) -> Iterator[Endpoint]:
    known = {endpoint.path: endpoint for endpoint in active.endpoints}
    in_step = len(rule.endpoints) == len(active.endpoints)
    for position, endpoint in enumerate(rule.endpoints):
        if endpoint.path is not None:
            ours = known.get(endpoint.path)
        else:
            ours = active.endpoints[position] if in_step else None
        stated = endpoint.model_fields_set - ({"path"} if endpoint.path is None else set())
        if ours is None:
            yield endpoint
        else:
            left_open = [name for name in _PARTS if name not in stated and name in ours.model_fields_set]
            yield endpoint.model_copy(update={name: getattr(ours, name) for name in left_open})


def _place(endpoint: Endpoint) -> _Place:
    pagination = parse_pagination(endpoint.pagination)
    if isinstance(pagination, NoPagination):
        pagination = NoPagination()
    elif not isinstance(pagination, OffsetPagination):
        pagination = pagination.model_copy(update={"total": None})
    return _Place(
        path=endpoint.path or "",
        detail=None if endpoint.detail is None else endpoint.detail.path,
        ids=None if endpoint.detail is None else (endpoint.selector, endpoint.fields["id"]),
        pagination=pagination,
    )


def _as_agreed(endpoint: Endpoint, agreed: list[_Place]) -> _Place:
    """The approved place that a generated endpoint is equivalent to, else its own."""
    place = _place(endpoint)
    for each in agreed:
        if (each.path, each.detail) == (place.path, place.detail) and (
            # The field that holds the next page's URL may have another name.
            stays_on_its_path(place.pagination) or each.pagination.type == place.pagination.type
        ):
            return each
    return place
