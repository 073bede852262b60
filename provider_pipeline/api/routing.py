"""In which order a request is dealt with: who asks, whether there is room for it, and only then what it says.

Here: the route that keeps this order, and what an endpoint says of its cost. Not here: who is admitted (`access.py`)
and how a body is read (`strict.py`).
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute

from provider_pipeline import catalog
from provider_pipeline.api.access import admit
from provider_pipeline.api.service import Needs, Slow, service_of
from provider_pipeline.api.strict import BodyLimits, StrictRequest

SMALL_BODY: Final = 64 * 1024
_COST: Final = "provider_pipeline_cost"
_E = TypeVar("_E", bound=Callable[..., Any])


@dataclass(frozen=True)
class _Cost:
    slow: Slow | None = None
    large_body: bool = False


def costs(*, slow: Slow | None = None, large_body: bool = False) -> Callable[[_E], _E]:
    """Says that an endpoint costs more than a query and a few lines of JSON.

    Args:
        slow: What makes it slow; of each kind a few are done at once, and more are refused.
        large_body: Whether it is sent samples or rules.
    """

    def noted(endpoint: _E) -> _E:
        setattr(endpoint, _COST, _Cost(slow, large_body))
        return endpoint

    return noted


class GuardedRoute(APIRoute):
    """A route whose endpoint depends on a caller: `Reader`, `Syncer` or `Admin`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler."""
        handler = super().get_route_handler()
        scope = self._scope()
        cost: _Cost = getattr(self.endpoint, _COST, _Cost())

        async def guarded(request: Request) -> Response:
            service = service_of(request)
            await admit(request, scope)
            most = service.settings.most_bytes
            limits = BodyLimits(
                bytes=most if cost.large_body else min(SMALL_BODY, most), seconds=service.settings.body_seconds
            )
            # Before the body is read: waiting ones take memory.
            with service.slot(cost.slow):
                return await handler(StrictRequest(request.scope, request.receive, limits))

        return guarded

    def _scope(self) -> catalog.api_tokens.Scope:
        (needed,) = [each.call for each in self.dependant.dependencies if isinstance(each.call, Needs)]
        return needed.scope
