"""Thresholds, per provider, for blocking a listing; `judge.py` and `plausibility.py` apply them."""

from pydantic import BaseModel, Field

from provider_pipeline.rules.variants import BUILT_WHEN_USED


class Thresholds(BaseModel):
    """Limits of a listing's verdict; a provider overrides any of them with `Thresholds.model_validate({...})`.

    Shares are fractions of one. The limits on rejected items, duplicates and values set aside rise with the shares
    in the rule's own sample, as genuine listings hold such items too.
    """

    model_config = BUILT_WHEN_USED

    max_rejected_share: float = Field(
        0.02, ge=0, le=1, description="Items rejected for their ids before the listing is invalid."
    )
    max_set_aside_share: float = Field(
        0.2, ge=0, le=1, description="A column's values that may be set aside before the listing is invalid."
    )
    max_duplicate_share: float = Field(
        0.2, ge=0, le=1, description="Rows that repeat an id with other prices or limits before it is invalid."
    )
    min_models: int = Field(1, ge=0, description="Fewest rows a listing may have.")
    min_count_ratio: float = Field(0.7, ge=0, le=1, description="Smallest count, as a share of the last accepted one.")
    max_growth: float = Field(3, gt=1, description="Largest count, as a multiple of the last accepted one.")
    max_new_models: int = Field(100, ge=0, description="New models up to which growth never blocks.")
    min_id_overlap: float = Field(
        0.3, ge=0, le=1, description="Smallest share of the last ids still there; below, the turnover blocks."
    )
    max_fill_drop: float = Field(0.5, ge=0, le=1, description="Largest fall of a column's fill rate between listings.")
    price_factor: float = Field(10, gt=1, description="A price that moves by more than this factor has jumped.")
    max_price_jump_share: float = Field(0.2, ge=0, le=1, description="Models whose price may jump or cross zero.")
    limit_factor: float = Field(2, gt=1, description="A context or output limit divided by more than this has shrunk.")
    max_limit_shrink_share: float = Field(0.3, ge=0, le=1, description="Models whose limits may shrink.")
    warn_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Models that are new, gone, or move in price or limit the same way; from here on, a warning.",
    )
    min_models_compared: int = Field(
        5, ge=1, description="Fewest models whose shares are evidence; with fewer, ids, fields and limits only warn."
    )
    window_days: float = Field(
        7,
        ge=0,
        le=3650,
        description="Days over which a new listing is compared with an earlier accepted one besides the last.",
    )
    max_price: float = Field(2_000, gt=0, description="Largest plausible price in USD per million tokens.")
    max_tokens: int = Field(200_000_000, gt=0, description="Largest plausible context or output limit in tokens.")
    max_violations_share: float = Field(
        0.5, ge=0, le=1, description="Models that may break an invariant, such as an output limit above the context."
    )
    retirement_notice_days: int = Field(
        0, ge=0, le=3650, description="Days ahead in which a model's end fails no_model_retires_soon; 0 for never."
    )
    min_coverage: float = Field(0.5, ge=0, le=1, description="Models with a known capability; below, a warning.")
