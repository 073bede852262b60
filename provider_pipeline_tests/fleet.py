"""Providers for tests: real listings on real HTTP, with rules made from them."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pytest_httpserver import HTTPServer
from sqlalchemy import text
from werkzeug import Response

from provider_pipeline import catalog
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.sync.repair.generate import generate_rule, store_sample


def listing(*model_ids: str, context_length: int = 128_000, price: str = "0.000002") -> dict[str, Any]:
    """A listing with these models."""
    return {
        "object": "list",
        "data": [
            {
                "id": model_id,
                "object": "model",
                "owned_by": "acme",
                "context_length": context_length,
                "pricing": {"prompt": price, "completion": price},
            }
            for model_id in model_ids
        ],
    }


CHAT_MODELS = ("gpt-4.1", "gpt-4.1-mini", "gpt-4o", "claude-sonnet-4-5", "mistral-large-2411")


def moved(*model_ids: str) -> dict[str, Any]:
    """The same models as `listing`, in a new shape."""
    models = [
        {
            "model": model_id,
            "vendor": "acme",
            "max_context": 128_000,
            "cost": {"input_per_token": "0.000002", "output_per_token": "0.000002"},
        }
        for model_id in model_ids
    ]
    return {"result": {"models": models}}


@dataclass
class Fleet:
    """A catalogue of providers whose listings a test decides."""

    database: catalog.database.Database
    server: HTTPServer

    def add(
        self,
        slug: str,
        sample: Any | None = None,
        *,
        auth: dict[str, Any] | None = None,
        is_sample: bool = False,
    ) -> None:
        """Registers a provider with the rule of `sample`, and serves the sample."""
        sample = listing(*CHAT_MODELS) if sample is None else sample
        self.register(slug, auth=auth, is_sample=is_sample)
        with self.database.session() as session:
            sample_id = store_sample(session, slug, json.dumps(sample).encode(), url="sample:test")
            generate_rule(session, slug, [EndpointSample(sample, "/v1/models")], sample_id=sample_id)
            session.commit()
        self.serve(slug, sample)

    def register(
        self, slug: str, *, auth: dict[str, Any] | None = None, is_sample: bool = False, **policy: Any
    ) -> None:
        """Registers a provider, or changes it, without a rule; `policy` is of its requests."""
        with self.database.session() as session:
            catalog.providers.add(
                session,
                slug=slug,
                name=slug,
                base_url=self.server.url_for(f"/{slug}"),
                auth_config=auth or {"type": "none"},
                request_config={"allow_private": True, **policy},
                is_sample=is_sample,
            )
            session.commit()

    def serve(self, slug: str, document: Any, *, at: str = "/v1/models") -> None:
        """Answers the provider's endpoint with this JSON from now on."""
        self.answer(slug, json.dumps(document), content_type="application/json", at=at)

    def answer(
        self, slug: str, body: str, *, status: int = 200, content_type: str = "text/html", at: str = "/v1/models"
    ) -> None:
        """Answers the provider's endpoint with these bytes from now on."""
        path = f"/{slug}{at}"
        handlers = self.server.handlers
        handlers[:] = [each for each in handlers if each.matcher.uri != path]
        self.server.expect_request(path).respond_with_response(Response(body, status=status, content_type=content_type))

    def removes_after(self, slug: str, *, misses: int, hours: float) -> None:
        """Lets the provider's models count as removed after so many misses and hours."""
        with self.database.session() as session:
            session.execute(
                catalog.tables.provider.update()
                .where(catalog.tables.provider.c.slug == slug)
                .values(removal_after=misses, removal_age=timedelta(hours=hours))
            )
            session.commit()

    def outlive_the_rules(self) -> None:
        """Makes every rule one that an earlier version of the program accepted and this one refuses."""
        refused = "jsonb_set(model_list_config, '{fields,name}', to_jsonb(repeat('x', 9000)))"
        with self.database.session() as session:
            session.execute(text("ALTER TABLE rule_version DISABLE TRIGGER USER"))
            session.execute(text(f"UPDATE rule_version SET model_list_config = {refused}, digest = repeat('0', 64)"))
            session.execute(text(f"UPDATE provider_metadata SET model_list_config = {refused}"))
            session.execute(text("ALTER TABLE rule_version ENABLE TRIGGER USER"))
            session.commit()

    def rows(self, slug: str) -> dict[str, tuple[str, str, int | None]]:
        """Per model id: the row version (xmin), the status and the context length."""
        with self.database.session() as session:
            found = session.execute(
                text(
                    "SELECT model_id, provider_model.xmin::text, status, context_length FROM provider_model "
                    "JOIN provider ON provider.id = provider_id WHERE slug = :slug"
                ),
                {"slug": slug},
            )
            return {row.model_id: (row.xmin, row.status, row.context_length) for row in found}

    def tasks(self, slug: str) -> list[catalog.tasks.Task]:
        """The provider's tasks."""
        with self.database.session() as session:
            return catalog.tasks.list_tasks(session, slug=slug)
