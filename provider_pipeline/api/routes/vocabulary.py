"""The names that filters take: for clients that show them as a choice."""

from typing import Any, get_args

from provider_pipeline import catalog
from provider_pipeline.api.access import Reader
from provider_pipeline.api.response_models import VocabularyResponse
from provider_pipeline.api.routing import router
from provider_pipeline.rules.model_columns import Cause, ChangeKind, ModelStatus
from provider_pipeline.rules.prices import usual_unit

routes = router("models")


@routes.get("/vocabulary", response_model=VocabularyResponse)
def list_vocabulary(context: Reader) -> Any:
    """The names that filters take: those that ship with the program, and those that listings brought."""
    known = catalog.known_values.known_names
    return {
        "capabilities": known(context.session, "capability"),
        "modalities": known(context.session, "modality"),
        "families": known(context.session, "family"),
        "price_components": [
            {"name": name, "unit": usual_unit(name)} for name in known(context.session, "price component")
        ],
        "change_kinds": get_args(ChangeKind),
        "change_causes": get_args(Cause),
        "model_statuses": get_args(ModelStatus),
    }
