"""The listing client: a source in, its pages out.

Here: the loop over endpoints, and what a deployment shares among listings. Not here: one endpoint's pages (`walk`), one
exchange (`transport`), whether it is a listing that fits its rule (`provider_pipeline.rules`).
"""

import os
import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from provider_pipeline.listing.auth import TokenCache
from provider_pipeline.listing.deadline import Deadline
from provider_pipeline.listing.details import detailed_pages
from provider_pipeline.listing.gates import HostGates
from provider_pipeline.listing.pace import Crowd, Pace
from provider_pipeline.listing.pages import Page
from provider_pipeline.listing.policy import FetchLimits
from provider_pipeline.listing.source import ListingSource
from provider_pipeline.listing.transport import Transport
from provider_pipeline.listing.walk import Budget, EndpointWalk, Known


class ListingClient:
    """Fetches listings; thread-safe: they share access tokens, turns at hosts and the processor, but no connections.

    Args:
        limits: What one listing may cost.
        environ: Where keys are looked up, at call time; by default the process environment.
        chance: A random number from 0 to 1, by which waits differ.
    """

    def __init__(
        self,
        limits: FetchLimits | None = None,
        environ: Mapping[str, str] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._limits = limits or FetchLimits()
        self._environ = environ
        self._chance = chance
        self._tokens = TokenCache()
        self._gates = HostGates()
        self._crowd = Crowd()

    def pace(self, source: ListingSource) -> Pace:
        """How fast one listing of a source may be worked on, for those who do more with its pages than to keep them."""
        return Pace(Deadline(source.policy.limits(self._limits).deadline, source.slug), self._crowd)

    def pages(self, source: ListingSource, *, known: Known | None = None, pace: Pace | None = None) -> Iterator[Page]:
        """Fetch a listing page by page, in order, each when it is asked for.

        Reaching the end without an exception means that the listing is complete.

        Args:
            source: What to fetch.
            known: Gives what is known of a page, so that the server may answer that it has not changed.
            pace: What `pace` gave for this listing. The processor time that this thread takes between two pages counts
                in any case.

        Yields:
            The pages of the first endpoint, then of the next.

        Raises:
            MissingCredentialError: The key's environment variable or file is not usable; nothing was sent.
            ListingUnreachableError: No answer came.
            ListingRefusedError: The server answered with an error status or an error object, or redirects elsewhere.
            ListingUnreadableError: The server answered with something that is not a complete JSON listing within the
                limits.
        """
        environ = os.environ if self._environ is None else self._environ
        authorize = partial(source.auth.authorizer, source.slug, environ, self._tokens)
        limits = source.policy.limits(self._limits)
        pace = pace or self.pace(source)
        opening = partial(
            Transport, source.slug, authorize, limits, source.policy, gates=self._gates, chance=self._chance
        )
        with pace.working(), opening(pace.deadline) as transport:
            budget = Budget(limits, pace)
            for index, endpoint in enumerate(source.endpoints):
                # That a page has not changed says nothing of its models' details.
                pages = EndpointWalk(transport, source, index, budget, None if endpoint.detail else known).pages()
                yield from detailed_pages(pages, source, endpoint, transport, budget, opening)
