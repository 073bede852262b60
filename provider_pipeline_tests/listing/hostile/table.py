"""All behaviours, in the order of the documentation."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from provider_pipeline_tests.listing.hostile import (
    bodies,
    connections,
    costly,
    details,
    disguises,
    documents,
    echoes,
    paging,
    redirects,
    statuses,
)
from provider_pipeline_tests.listing.hostile.behaviour import Behaviour

CHAPTERS: Final[Mapping[str, tuple[Behaviour, ...]]] = MappingProxyType(
    {
        "Connections that break": connections.RESETS,
        "Slow answers": connections.SLOW,
        "Not HTTP": connections.NOT_HTTP,
        "Lengths and chunks": bodies.LENGTHS,
        "Too much": bodies.FLOODS,
        "Compressed bodies": bodies.ENCODINGS,
        "Error statuses": statuses.REFUSALS,
        "Asking to wait": statuses.WAITS,
        "Redirects": redirects.REDIRECTS,
        "Names and addresses": redirects.NAMES,
        "Next pages elsewhere": redirects.NEXT_PAGES,
        "Cursors and pages": paging.CURSORS,
        "The third of five pages": paging.THIRD_OF_FIVE,
        "Totals": paging.TOTALS,
        "Details of single models": details.DETAILS,
        "Not JSON": documents.NOT_JSON,
        "Odd JSON": documents.ODD_JSON,
        "JSON that is not a listing": documents.NO_LISTING,
        "The key in a refusal": echoes.REFUSED,
        "The key in a listing": echoes.ACCEPTED,
        "Secrets in disguise, and other people's": disguises.DISGUISES,
        "Small on the wire, costly to read": costly.COSTLY,
    }
)
BEHAVIOURS: Final = tuple(behaviour for chapter in CHAPTERS.values() for behaviour in chapter)
