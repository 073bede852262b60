"""Documents told apart by their `type`."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from provider_pipeline.rules.variants import BUILT_WHEN_USED, Variants


def models() -> tuple[type[BaseModel], type[BaseModel], Any]:
    """Two models that nothing has used yet, and their union."""

    class Circle(BaseModel):
        model_config = BUILT_WHEN_USED

        type: Literal["circle"]
        radius: int

    class Square(BaseModel):
        model_config = BUILT_WHEN_USED

        type: Literal["square"]
        side: int

    return Circle, Square, Annotated[Circle | Square, Field(discriminator="type")]


def test_only_the_model_of_the_documents_type_is_built():
    circle, square, union = models()
    assert Variants[Any](union).parse({"type": "circle", "radius": 2}) == circle(type="circle", radius=2)
    assert circle.__pydantic_complete__
    assert not square.__pydantic_complete__


@pytest.mark.parametrize(
    "document",
    [
        {"type": "circle", "radius": "wide"},
        {"type": "circle", "radius": 2, "side": 1},
        {"type": "triangle"},
        {"type": ["circle"]},
        {"radius": 2},
        [],
        "circle",
    ],
)
def test_a_refused_document_gets_the_errors_of_the_union(document: Any):
    _, _, union = models()
    with pytest.raises(ValidationError) as expected:
        TypeAdapter(union).validate_python(document)
    with pytest.raises(ValidationError) as caught:
        Variants[Any](union).parse(document)
    assert caught.value.errors(include_url=False) == expected.value.errors(include_url=False)
