"""The ``filter`` parameter of a listing: ``{"retailer_id":{"is_any":["a","b"]}}``, joined by ``and`` and ``or``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from worker.sandbox.answers import wrong_parameter
from worker.sandbox.apply import Item
from worker.sandbox.money import split

_FILTER_TEXTS = {
    "retailer_product_group_id": "item_group_id",
    "product_type": "product_type",
    "category": "google_product_category",
    "brand": "brand",
    "name": "title",
    "title": "title",
    "availability": "availability",
    "condition": "condition",
    "color": "color",
    "size": "size",
    "gender": "gender",
    "age_group": "age_group",
    "vendor_id": "vendor_id",
    **{f"custom_label_{n}": f"custom_label_{n}" for n in range(5)},
}
_FILTER_FIELDS = {"retailer_id", "product_item_id", "currency", "price_amount", "sale_price_amount", *_FILTER_TEXTS}
Values = Mapping[str, Any]
_OF_TEXTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda have, want: have == want,
    "neq": lambda have, want: have != want,
    "is_any": lambda have, want: have in want,
    "is_not_any": lambda have, want: have not in want,
    "contains": lambda have, want: want in (have or ""),
    "i_contains": lambda have, want: want in (have or ""),
    "not_contains": lambda have, want: want not in (have or ""),
    "i_not_contains": lambda have, want: want not in (have or ""),
}
_OF_AMOUNTS: Mapping[str, Callable[[Any, Any], bool]] = {
    **{name: _OF_TEXTS[name] for name in ("eq", "neq", "is_any", "is_not_any")},
    "lt": lambda have, want: have is not None and have < want,
    "lte": lambda have, want: have is not None and have <= want,
    "gt": lambda have, want: have is not None and have > want,
    "gte": lambda have, want: have is not None and have >= want,
}


def filterable(retailer_id: str, item: Item) -> Values:
    """What rules compare with: texts in lower case, since Meta's comparisons ignore case, and amounts times 100."""
    fields = item.fields
    values: dict[str, Any] = {name: str(fields[kept]).lower() for name, kept in _FILTER_TEXTS.items() if kept in fields}
    values["retailer_id"] = retailer_id.lower()
    values["product_item_id"] = str(item.node)
    for name in ("price", "sale_price"):
        if name in fields:
            amount, currency = split(fields[name])
            values[f"{name}_amount"] = int(amount * 100)  # two extra digits in every currency, JPY too
            values["currency"] = currency.lower()
    return values


def condition(text: str) -> Callable[[Values], bool] | None:
    """The rule as a function of ``filterable`` values; None where it accepts everything. Raises ``GraphRefusal``."""
    try:
        rule = msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise wrong_parameter("filter", "must be a JSON-encoded rule") from None
    return None if rule == {} else _rule(rule)


def _rule(rule: object) -> Callable[[Values], bool]:
    if not isinstance(rule, dict) or len(rule) != 1:
        raise wrong_parameter("filter", "must be a rule of one field or one of and, or")
    [(name, body)] = rule.items()
    if name in ("and", "or") and isinstance(body, list) and body:
        parts, combine = [_rule(part) for part in body], all if name == "and" else any
        return lambda values: combine(part(values) for part in parts)
    if name not in _FILTER_FIELDS or not isinstance(body, dict) or len(body) != 1:
        raise wrong_parameter("filter", f"has no rule for {str(name)[:100]}")
    [(operator, wanted)] = body.items()
    return _comparison(name, operator, wanted)


def _comparison(name: str, operator: str, wanted: Any) -> Callable[[Values], bool]:
    is_amount = name.endswith("_amount")
    compare = (_OF_AMOUNTS if is_amount else _OF_TEXTS).get(operator)
    if compare is None:
        raise wrong_parameter("filter", f"has no operator {operator[:100]} for {name}")
    many = operator in ("is_any", "is_not_any")
    if many != isinstance(wanted, list) or not all(type(one) is (int if is_amount else str) for one in _each(wanted)):
        raise wrong_parameter("filter", f"has a value of the wrong type for {name}")
    folded = wanted if is_amount else {one.lower() for one in wanted} if many else wanted.lower()
    return lambda values: compare(values.get(name), folded)


def _each(wanted: Any) -> list[Any]:
    return wanted if isinstance(wanted, list) else [wanted]
