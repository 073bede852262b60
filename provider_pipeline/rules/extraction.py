"""Run a rule on a page: items to rows, with the values set aside and the items rejected."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from provider_pipeline.errors import RuleTooCostlyError
from provider_pipeline.rules.dates import read_date
from provider_pipeline.rules.document import Endpoint
from provider_pipeline.rules.ids import MAX_ID_LENGTH, is_no_model, is_other_object, named_family
from provider_pipeline.rules.issues import shown
from provider_pipeline.rules.jmespath_compiler import Closure
from provider_pipeline.rules.language import Compiled, compiled
from provider_pipeline.rules.limits import (
    FEW_ITEMS,
    ITEM_STEPS,
    ITEMS_PER_ELEMENT,
    LISTING_STEPS,
    PAGE_STEPS,
    ROW_BYTES,
    ROW_PER_ITEM,
    STEPS_PER_ITEM,
    Work,
    WorkExceededError,
    has_elements,
    json_bytes,
)
from provider_pipeline.rules.matching import CompiledCapabilities, purpose_names
from provider_pipeline.rules.metadata import metadata_reader
from provider_pipeline.rules.model_columns import DATE_COLUMNS, LIMIT_COLUMNS, PRICE_COLUMNS, ROW_COLUMNS
from provider_pipeline.rules.model_names import read_name
from provider_pipeline.rules.model_prices import plausible_prices
from provider_pipeline.rules.prices import (
    CURRENCY_FIELD,
    PriceReader,
    disputed_prices,
    merged_prices,
    price_columns,
    price_field,
    undisputed_prices,
)
from provider_pipeline.rules.rows import SetAside, meaning_of, meta_hash, sized_digest
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.rules.values import (
    BadValueError,
    json_type,
    read_id,
    read_limit,
    read_modalities,
    read_text,
)

_JOINED: Final = frozenset({"capabilities", "capability_sources", "metadata_json", "meta_hash", "prices"})
NO_MODEL: Final = "not_a_model"
"""Reason for leaving out a routing pattern or a specimen among models, which is not a fault."""
_SOURCES: Final = ("evidence", "lookup_table", "regex", "weak_evidence")
"""Sources of a capability, strongest first."""
FIELD_COLUMNS: Final[Mapping[str, str]] = {
    "id": "model_id",
    "name": "display_name",
    **{
        name: name
        for name in (
            "display_name",
            *LIMIT_COLUMNS,
            "input_modalities",
            "output_modalities",
            *PRICE_COLUMNS,
            *DATE_COLUMNS,
            "successor_model_id",
        )
    },
}
"""A rule's fields that are columns of a row; every other field goes to `metadata_json` under its own name."""

_LISTING_LIMIT: Final = f"{LISTING_STEPS:,} steps and {STEPS_PER_ITEM:,} for each item"
_EMPTY_ROW: Final[dict[str, Any]] = dict.fromkeys(ROW_COLUMNS)


class Rejected(NamedTuple):
    """An item without a row, because its id cannot be read."""

    reason: str
    field: str
    detail: str
    value: Any


def family_of(model_id: str) -> str | None:
    """The family of a model id; None if unknown."""
    name = read_name(model_id)
    return None if name is None else name.family


class ItemReader:
    """One endpoint of a rule, compiled to read items.

    Args:
        endpoint: The endpoint.
        capabilities: The rule's capability rules.
        thresholds: For the largest plausible numbers.
        work: The step budget shared by all endpoints of the rule; a new one if None.
        on_set_aside: Called with each value that is set aside.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        capabilities: CompiledCapabilities,
        thresholds: Thresholds,
        work: Work | None = None,
        on_set_aside: Callable[[SetAside], None] = lambda _: None,
    ) -> None:
        fields = {FIELD_COLUMNS.get(name, name): compiled(text) for name, text in endpoint.fields.items()}
        self._work = work or Work(LISTING_STEPS)
        self._items = 0
        self._selector = compiled(endpoint.selector)
        self._list_keys = self._selector.leading_keys
        self._fields = fields
        self._cost = sum(each.cost for each in fields.values()) + capabilities.cost
        self._with_details = endpoint.detail is not None
        self._id = fields["model_id"].evaluate
        self._base_model = fields["base_model"].evaluate if "base_model" in fields else None
        self._id_is_key = ("_key",) in fields["model_id"].paths
        told = [field for field in fields.values() if any(not path[0].startswith("_") for path in field.paths if path)]
        self._told = told if self._id_is_key and len(told) > 1 else []
        self._id_type = endpoint.expect.id_type
        self._capabilities = capabilities
        self._on_set_aside = on_set_aside
        limit = partial(read_limit, largest=thresholds.max_tokens)
        readers: dict[str, Callable[[Any], Any]] = {
            "display_name": read_text,
            **dict.fromkeys(LIMIT_COLUMNS, limit),
            **dict.fromkeys(("input_modalities", "output_modalities"), read_modalities),
            **dict.fromkeys(DATE_COLUMNS, read_date),
            "successor_model_id": read_text,
        }
        self._columns = [(column, get, readers[column]) for column, get in _present(fields, *readers)]
        self._prices = PriceReader(fields, endpoint.units, currency=endpoint.currency, largest=thresholds.max_price)
        columns = {*FIELD_COLUMNS.values(), CURRENCY_FIELD}
        facts = (name for name in fields if name not in columns and price_field(name) is None)
        self._metadata = [(name, get, metadata_reader(name)) for name, get in _present(fields, *facts)]

    def items(self, document: Any) -> list[Any] | None:
        """The items that the selector finds on a page; None if it finds no list, or a map of things other than models.

        With details, a page is `{"listing": ..., "details": {id: ...}}`; each item gets its own, or null, as `detail`.

        Raises:
            RuleTooCostlyError: The selector takes too many steps or gives too many items.
        """
        if not self._with_details:
            found = self._selected(document)
        elif not isinstance(document, dict) or not isinstance(document.get("details"), dict):
            return None
        else:
            found, details = self._selected(document.get("listing")), document["details"]
            found = found and [
                {**item, "detail": details.get(self.id_of(item))} if isinstance(item, dict) else item for item in found
            ]
        return None if found and self._told and not any(map(self._tells, found)) else found

    def _tells(self, item: Any) -> bool:
        """Whether the rule reads anything in an item other than its key, which every object has.

        Raises:
            RuleTooCostlyError: It takes too many steps.
        """
        try:
            return any(field.evaluate(item, self._work) is not None for field in self._told)
        except WorkExceededError as error:
            raise self._too_costly("model_id", error) from error

    def answer(self, document: Any) -> Any:
        """The page as sent, without details."""
        return document.get("listing") if self._with_details and isinstance(document, dict) else document

    def _selected(self, document: Any) -> list[Any] | None:
        work, selector = self._work, self._selector
        work.most = PAGE_STEPS
        try:
            found = work.at_most(selector.evaluate, document, work)
        except WorkExceededError as error:
            raise RuleTooCostlyError(
                f"the selector {shown(selector.text)} takes more than {PAGE_STEPS:,} steps on a page, or all "
                f"expressions more than {_LISTING_LIMIT}"
            ) from error
        if not isinstance(found, list):
            return [] if _is_null_at(document, self._list_keys) else None
        count = len(found)
        if count > FEW_ITEMS and not selector.chooses and not has_elements(document, count // ITEMS_PER_ELEMENT):
            raise RuleTooCostlyError(
                f"the selector {shown(selector.text)} gives {count:,} items of a page, more than {ITEMS_PER_ELEMENT} "
                "for each object on it"
            )
        work.most = ITEM_STEPS
        self._items += count
        work.grant(self._items)
        work.left -= self._cost * count
        if work.left < 0:
            raise RuleTooCostlyError(f"the rule has too many fields and predicates for {count:,} models on a page")
        return found

    def id_of(self, item: Any) -> str | None:
        """The id of an item; None if it cannot be read.

        Raises:
            RuleTooCostlyError: It takes too many steps.
        """
        try:
            return read_id(self._id(item, self._work), self._id_type)
        except BadValueError:
            return None
        except WorkExceededError as error:
            raise self._too_costly("model_id", error) from error

    def row(self, item: Any) -> dict[str, Any] | Rejected:  # noqa: PLR0912  # one branch for each kind of column
        """The row of one item, or why it was rejected. Any unreadable value but the id is only set aside.

        Raises:
            RuleTooCostlyError: It takes too many steps, or is too large.
        """
        if not isinstance(item, dict):
            return Rejected("not_an_object", "", f"the item is a JSON {json_type(item)}; expected an object", item)
        column, value = "model_id", None
        row = _EMPTY_ROW.copy()
        metadata: dict[str, Any] = {}
        work = self._work
        try:
            value = self._id(item, work)
            row["model_id"] = model_id = read_id(value, self._id_type)
            if is_no_model(model_id, is_key=self._id_is_key) or is_other_object(item):
                return Rejected(NO_MODEL, column, "a routing pattern, a specimen or another object", model_id)
            for column, get, read in self._columns:
                if (value := get(item, work)) is not None:
                    try:
                        row[column] = read(value)
                    except BadValueError as error:
                        self._set_aside(model_id, error, column, value)
            column = "prices"
            set_price_aside = partial(self._set_aside, model_id)
            prices = self._prices.read(item, work, set_price_aside)
            for column, get, read_fact in self._metadata:
                if (value := get(item, work)) is not None:
                    try:
                        kept = read_fact(value, work)
                    except BadValueError as error:
                        self._set_aside(model_id, error, column, value)
                    else:
                        if kept is not None:
                            metadata[column] = kept
            column = "capabilities"
            name = model_id if self._base_model is None else self._name_to_match(item, model_id)
            row["family"] = family_of(name)
            row["capabilities"], row["capability_sources"] = self._capabilities.columns_of(item, name, work)
            if prices:
                prices = plausible_prices(prices, row, purpose_names(), set_price_aside)
                row.update(price_columns(prices))
            row["prices"] = prices
        except BadValueError as error:
            return Rejected(error.reason, column, error.detail, value)
        except WorkExceededError as error:
            raise self._too_costly(column, error) from error
        row["metadata_json"] = metadata
        row["meta_hash"], size = sized_digest(meaning_of(row))
        if size > ROW_BYTES and size > ROW_BYTES + ROW_PER_ITEM * json_bytes(item):
            raise RuleTooCostlyError(
                f"the row of {shown(model_id)} has {size:,} bytes of JSON; at most {ROW_BYTES:,}, and {ROW_PER_ITEM} "
                "for each byte of its item, are kept"
            )
        return row

    def _set_aside(self, model_id: str, error: BadValueError, column: str, value: Any) -> None:
        self._on_set_aside(SetAside(error.reason, column, error.detail, value, model_id))

    def _too_costly(self, column: str, error: WorkExceededError) -> RuleTooCostlyError:
        field = self._fields.get(column)
        what = str(error) or (f"the field {column}" + (f" ({shown(field.text)})" if field is not None else ""))
        return RuleTooCostlyError(
            f"{what} takes more than {ITEM_STEPS:,} steps on an item, or all expressions more than {_LISTING_LIMIT}"
        )

    def _name_to_match(self, item: Any, model_id: str) -> str:
        """The model's id; or its base model's name, if the id says less and the base's name implies the same.

        An id says less if it names no family, or is itself the name of a family that the base's family is a part of:
        `claude` before `claude-sonnet-4-5`.
        """
        family = named_family(model_id)
        if self._base_model is None or family not in (None, model_id):
            return model_id
        base = self._base_model(item, self._work)
        if not isinstance(base, str) or not 0 < len(base) <= MAX_ID_LENGTH:
            return model_id
        if family is not None and not f"{named_family(base)}-".startswith(f"{family}-"):
            return model_id
        # A fine-tuned `acme-reranker` is not a chat model, even if its base model is one.
        said, of_base = (self._capabilities.of_name(name, self._work) for name in (model_id, base))
        return base if all(of_base.get(name) == decision for name, decision in said.items()) else model_id


def _is_null_at(document: Any, keys: tuple[str, ...]) -> bool:
    """Whether the document has null in the list's place: how some servers write an empty list."""
    for key in keys:
        if not isinstance(document, dict) or key not in document:
            return False
        document = document[key]
    return bool(keys) and document is None


def _present(fields: Mapping[str, Compiled], *columns: str) -> list[tuple[str, Closure]]:
    return [(column, fields[column].evaluate) for column in columns if column in fields]


def merged_row(first: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two rows with one id: the first endpoint's values, with gaps filled from the later one.

    Of a capability that both decide, the stronger source wins; of equal sources, the first endpoint.
    """
    row = {
        column: value if value is not None or column in _JOINED else later[column] for column, value in first.items()
    }
    decided = dict(first["capabilities"])
    sources = dict(first["capability_sources"])
    for capability, has in later["capabilities"].items():
        source = later["capability_sources"][capability]
        if capability not in decided or _SOURCES.index(source) < _SOURCES.index(sources[capability]):
            decided[capability], sources[capability] = has, source
    row["capabilities"] = dict(sorted(decided.items()))
    row["capability_sources"] = dict(sorted(sources.items()))
    row["metadata_json"] = {**later["metadata_json"], **first["metadata_json"]}
    row["prices"] = merged_prices(first["prices"], later["prices"])
    row |= price_columns(row["prices"])
    row["meta_hash"] = meta_hash(row)
    return row


def merged_records(records: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """Merge one page's rows with one id, in any order; also returns the numbers on which they disagree.

    The fullest record comes first, the others fill its gaps. Numbers on which records disagree are unknown. A model
    has the modalities of all its records, and a capability stated by one record wins over another's silence or denial
    with the same kind of source. Deployments of different families under one name have no family.
    """
    first, *others = sorted(records, key=_completeness, reverse=True)
    row = dict(first)
    for later in others:
        row = merged_row(row, later)
    disputed = [column for column in LIMIT_COLUMNS if len({record[column] for record in records} - {None}) > 1]
    row |= dict.fromkeys(disputed)
    if components := disputed_prices(records):
        row["prices"] = {name: price for name, price in row["prices"].items() if name not in components}
        row |= price_columns(row["prices"])
        disputed += sorted(components)
    if len({record["family"] for record in records} - {None}) > 1:
        row["family"] = None
    for column in ("input_modalities", "output_modalities"):
        stated = [record[column] for record in (first, *others) if record[column]]
        row[column] = list(dict.fromkeys(each for modalities in stated for each in modalities)) if stated else None
    for capability, source in row["capability_sources"].items():
        row["capabilities"][capability] = any(
            record["capabilities"].get(capability) and record["capability_sources"][capability] == source
            for record in records
        )
    row["meta_hash"] = meta_hash(row)
    return row, disputed


def _completeness(row: Mapping[str, Any]) -> tuple[int, str]:
    """Sort key of rows with one id: the fullest is the greatest; ties do not depend on the order."""
    return sum(value is not None for value in row.values()), str(row["meta_hash"])


def settled_rows(
    rows: Iterable[dict[str, Any]],
    superseded: Mapping[str, int],
    disputed: Mapping[str, frozenset[str]],
    left_out: frozenset[str],
) -> Iterator[dict[str, Any]]:
    """The last version of each row of a `ListingJudge`, without the values that its verdict withdraws.

    Args:
        rows: The rows.
        superseded: Number of versions of a model's row before the last.
        disputed: Columns of a model that are unknown.
        left_out: Fields of `metadata_json` that do not describe models.
    """
    remaining = dict(superseded)
    for row in rows:
        model_id = row["model_id"]
        if remaining.get(model_id):
            remaining[model_id] -= 1
        elif model_id in disputed or not left_out.isdisjoint(row["metadata_json"]):
            metadata = {name: value for name, value in row["metadata_json"].items() if name not in left_out}
            columns = disputed.get(model_id, frozenset())
            prices = undisputed_prices(row["prices"], columns)
            settled = {**row, **dict.fromkeys(columns), "metadata_json": metadata, "prices": prices}
            yield {**settled, "meta_hash": meta_hash(settled)}
        else:
            yield row
