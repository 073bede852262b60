"""Where a rule asks: its endpoints, the models' own answers, and further pages."""

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
    """Everything that decides which URLs an endpoint's listing asks.

    Attributes:
        path: The endpoint's path.
        detail: The path of a model's own answer; None without.
        ids: Where the ids in that path come from; None without.
        pagination: How further pages are asked for, without what only judges whether the listing is whole.
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
    """Where the candidate asks and the active rule does not, and the other way round, one line each.

    Args:
        active: The rule whose places a person agreed to; None when there is none, and so no place.
        candidate: The rule that would replace it.
        generated: The generator wrote the candidate, from the provider's own answer. Its pagination may differ as long
            as it stays on the endpoint's path: the parameter is one of the shipped vocabulary, and its value comes from
            beside the listing. So may the ids of the models' own answers, which are the listing's.
    """
    ours = [_place(endpoint) for endpoint in active.endpoints] if active is not None else []
    theirs = [_as_agreed(endpoint, ours) if generated else _place(endpoint) for endpoint in candidate.endpoints]
    before, after = Counter(ours), Counter(theirs)
    return [*(f"asks {each}" for each in after - before), *(f"no longer asks {each}" for each in before - after)]


def with_places_of(rule: ExtractionRule, active: ExtractionRule) -> ExtractionRule:
    """The rule, asking where the active one does as far as it leaves that open.

    A path, a detail or a pagination that it does not state stays as it is at the endpoint of the same path or, where
    it states no path, in the same position.
    """
    return rule.model_copy(update={"endpoints": tuple(_completed(rule, active))})


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
    if not isinstance(pagination, OffsetPagination):
        pagination = pagination.model_copy(update={"total": None})
    return _Place(
        path=endpoint.path or "",
        detail=None if endpoint.detail is None else endpoint.detail.path,
        ids=None if endpoint.detail is None else (endpoint.selector, endpoint.fields["id"]),
        pagination=pagination,
    )


def _as_agreed(endpoint: Endpoint, agreed: list[_Place]) -> _Place:
    """The agreed place that a generated endpoint amounts to; its own where there is none."""
    place = _place(endpoint)
    for each in agreed:
        if (each.path, each.detail) == (place.path, place.detail) and (
            # Of a provider that names its next page's address, the field that holds it may have another name.
            stays_on_its_path(place.pagination) or each.pagination.type == place.pagination.type
        ):
            return each
    return place
