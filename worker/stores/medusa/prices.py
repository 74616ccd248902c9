"""Which of a variant's many prices a visitor pays, as Medusa itself chooses (its ``PricingModule.calculatePrices``).

A price may hold for a currency, a region, a customer group or an amount bought. Those of price lists take the place of
a variant's own: an *override* always, a *sale* where it is lower. Nobody is logged in and one piece is bought, so what
asks for a customer group or for more pieces is not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from worker.stores.contract import UnreadableRecord
from worker.stores.medusa.api import Json

REGION = "region_id"


@dataclass(frozen=True, slots=True)
class Market:
    """Whose prices are read: those in ``currency``, and those for ``region`` too, if there is one."""

    currency: str
    region: str | None

    def fits(self, price: Mapping[str, Any], rules: Mapping[str, Any]) -> bool:
        """Whether this price, with these rules of it, is one that our visitor may pay."""
        currency, least = price.get("currency_code"), price.get("min_quantity")
        if not isinstance(currency, str) or currency.upper() != self.currency:
            return False
        return self.admits(rules) and (least is None or _number(least, "min_quantity") <= 1)

    def admits(self, rules: Mapping[str, Any]) -> bool:
        """Whether our visitor satisfies all of these rules; a price list's hold several values each."""
        return all(
            name == REGION and self.region is not None and (self.region == value or self.region in _texts(value))
            for name, value in rules.items()
        )


@dataclass(frozen=True, slots=True)
class PriceList:
    """One active price list that our visitor is meant by; ``starts`` and ``ends`` are None where it is open."""

    id: str
    kind: str
    starts: datetime | None
    ends: datetime | None
    rules: int


@dataclass(frozen=True, slots=True)
class Listed:
    """One variant's price in a price list. ``rules``: how many it satisfies, its list's included."""

    of: PriceList
    amount: Decimal
    rules: int


@dataclass(frozen=True, slots=True)
class Offer:
    """What price lists make of a variant's price at one instant.

    Attributes:
        override: Takes the place of the variant's own price.
        sale: The price of a sale, from ``starts`` to ``ends`` where it has them.
        running: The sale has begun.
    """

    override: str | None = None
    sale: str | None = None
    running: bool = False
    starts: str | None = None
    ends: str | None = None


def price_list(row: Json, market: Market, now: datetime) -> PriceList | None:
    """None for a list that is not active, is over, or is meant for other visitors."""
    rules, starts, ends = row.get("rules"), _instant(row.get("starts_at")), _instant(row.get("ends_at"))
    if row.get("status") != "active" or row.get("type") not in ("sale", "override") or (ends and ends < now):
        return None
    if not isinstance(rules, dict) or not market.admits(rules):
        return None
    return PriceList(row["id"], str(row["type"]), starts, ends, len(rules))


def listed(row: Json, of: PriceList, market: Market) -> tuple[str, Listed] | None:
    """The id of its variant and the price; None for one of other visitors. Raises ``UnreadableRecord``."""
    price_set, rules = row.get("price_set"), row.get("price_rules")
    variant = price_set.get("variant") if isinstance(price_set, dict) else None
    if not isinstance(variant, dict) or not isinstance(variant.get("id"), str) or not isinstance(rules, list):
        return None
    named = {str(rule.get("attribute")): rule.get("value") for rule in rules if isinstance(rule, dict)}
    if not market.fits(row, named):
        return None
    return variant["id"], Listed(of, _number(row.get("amount"), "price"), len(named) + of.rules)


def offer(prices: Iterable[Listed], now: datetime) -> Offer:
    """What holds now; where no sale does, the next one, so that it begins at Meta when it begins in the shop."""
    ordered = sorted(prices, key=lambda price: (-price.rules, price.amount, price.of.id))
    current = [price for price in ordered if price.of.starts is None or price.of.starts <= now]
    override = next((str(price.amount) for price in current if price.of.kind == "override"), None)
    chosen = current[0] if current else None
    if chosen is None or chosen.of.kind != "sale":
        coming = [price for price in ordered if price not in current and price.of.kind == "sale"]
        chosen = min(coming, key=lambda price: str(price.of.starts), default=None)
    if chosen is None:
        return Offer(override)
    running = chosen in current
    return Offer(override, str(chosen.amount), running, _text(chosen.of.starts), _text(chosen.of.ends))


def price_fields(variant: Json, market: Market, of: Offer) -> dict[str, str]:
    """``price``, and ``sale_price`` with its dates where it is lower. Nothing where no price is meant for our visitor.

    Raises ``UnreadableRecord`` for prices that are none.
    """
    own = _own_price(variant.get("prices"), market)
    price = Decimal(of.override) if of.override is not None else own
    sale = Decimal(of.sale) if of.sale is not None else None
    if sale is not None and own is not None:
        sale = min(sale, own)
    if sale is not None and of.running and (price is None or sale > price):
        # Medusa takes the sale although an override is lower, where the sale has more rules.
        price, sale = sale, None
    if price is None:
        return {}
    fields = {"price": _money(price, market.currency)}
    if sale is not None and sale < price:
        fields["sale_price"] = _money(sale, market.currency)
        if of.starts or of.ends:
            fields["sale_price_effective_date"] = f"{of.starts or ''}/{of.ends or ''}"
    return fields


def _own_price(prices: Any, market: Market) -> Decimal | None:
    if not isinstance(prices, list):
        raise UnreadableRecord("The variant has no list of prices.")
    found: list[tuple[int, Decimal]] = []
    for price in prices:
        rules = price.get("rules") if isinstance(price, dict) else None
        if not isinstance(rules, dict):
            raise UnreadableRecord("The variant has a price that cannot be read.")
        if market.fits(price, rules):
            found.append((-len(rules), _number(price.get("amount"), "price")))
    return min(found)[1] if found else None


def _money(amount: Decimal, currency: str) -> str:
    # Two decimals at least, and never three: "1.299" can be read as a thousand.
    digits = max(2, -int(amount.as_tuple().exponent))
    return f"{amount:.{4 if digits == 3 else digits}f} {currency}"


def _number(value: Any, name: str) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite():
        raise UnreadableRecord(f"The variant's {name} is not a number.")
    return number


def _instant(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    return found if found is not None and found.tzinfo is not None else None


def _text(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None


def _texts(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
