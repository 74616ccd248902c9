"""What holds for all variants of a shop: its market, the locations that count, and the price lists in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from worker.errors import StoreIncomplete, StoreRefused
from worker.stores.contract import StoreConfig, UnreadableRecord
from worker.stores.http import display
from worker.stores.medusa.api import Api, Json
from worker.stores.medusa.prices import Listed, Market, Offer, listed, offer, price_list
from worker.stores.medusa.queries import LISTED_PRICE, PRICE_LIST, fields

LISTS_TAKE = 100
PRICES_TAKE = 1000

_NOTHING = Offer()


@dataclass(frozen=True, slots=True)
class Shop:
    """Read once a slice; beside a variant it decides what its fields are.

    Attributes:
        locations: Ids of the stock locations that count; None: all of them.
        offers: What price lists make of a variant's price, by its id.
    """

    market: Market
    locations: Sequence[str] | None
    offers: Mapping[str, Offer]

    def offer(self, variant_id: str) -> Offer:
        return self.offers.get(variant_id, _NOTHING)


def read_shop(api: Api, config: StoreConfig) -> Shop:
    """Ask for all of it, and refuse options that name what the shop does not have. Raises as ``Api.listing`` does."""
    place, options = display(config.url), config.options
    market = _market(api, config, place)
    locations = _locations(api, options, place)
    now = api.clock or datetime.now(UTC)
    prices: dict[str, list[Listed]] = {}
    for row in api.whole("price-lists", [("status[]", "active"), fields(PRICE_LIST)], LISTS_TAKE):
        of = price_list(row, market, now)
        if of is None:
            continue
        for price in api.whole(f"price-lists/{of.id}/prices", [fields(LISTED_PRICE)], PRICES_TAKE):
            try:
                found = listed(price, of, market)
            except UnreadableRecord:
                continue  # one broken row of a sale is no reason to stop all prices
            if found is not None:
                prices.setdefault(found[0], []).append(found[1])
    return Shop(market, locations, {variant: offer(found, now) for variant, found in prices.items()})


def _market(api: Api, config: StoreConfig, place: str) -> Market:
    wanted, region = config.options.get("currency"), config.options.get("region")
    if region is not None:
        found = api.one(f"regions/{region}", [fields(("id", "currency_code"))])
        if found is None:
            raise _unknown("region", place)
        return Market((wanted or _text(found.get("currency_code"), place)).upper(), region)
    names = fields(("id", "supported_currencies.currency_code", "supported_currencies.is_default"))
    known: dict[str, bool] = {}
    for store in api.whole("stores", [names], LISTS_TAKE):
        for row in _rows(store.get("supported_currencies"), f"the currencies of {place}"):
            known.setdefault(_text(row.get("currency_code"), place).upper(), row.get("is_default") is True)
    currency = wanted.upper() if wanted else next((code for code, default in known.items() if default), None)
    if currency is None:
        currency = config.currency
    if currency is None or currency not in known:
        raise StoreRefused(
            f"{place} does not sell in {currency}." if currency else f"{place} has no default currency.",
            action=f"Give the shop the option currency with one of {', '.join(sorted(known)) or 'its currencies'}.",
        )
    return Market(currency, None)


def _locations(api: Api, options: Mapping[str, str], place: str) -> Sequence[str] | None:
    """The one of the option; else those that the sales channel sells from; else, None, all of them."""
    channel, location = options.get("sales_channel"), options.get("stock_location")
    found: Json | None = None
    if channel is not None:
        found = api.one(f"sales-channels/{channel}", [fields(("id", "stock_locations.id"))])
        if found is None:
            raise _unknown("sales_channel", place)
    if location is not None:
        if api.one(f"stock-locations/{location}", [fields(("id",))]) is None:
            raise _unknown("stock_location", place)
        return [location]
    if found is None:
        return None
    rows = _rows(found.get("stock_locations"), f"the stock locations of a sales channel of {place}")
    return sorted(str(row.get("id")) for row in rows)


def _unknown(option: str, place: str) -> StoreRefused:
    return StoreRefused(
        f"{place} has no {option.replace('_', ' ')} with the id that the shop names.",
        action=f"Correct the shop's option {option}.",
    )


def _rows(value: Any, what: str) -> list[Json]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise StoreIncomplete(f"What came as {what} is no list of them.")
    return value


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str) or not value:
        raise StoreIncomplete(f"{place} has a currency without a code.")
    return value
