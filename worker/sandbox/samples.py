"""The sample merchant's items, the same at every start. Shops, brands and codes are invented.

Each feed holds one currency, as one catalog should. The larger one ends with a few items that Meta would refuse and a
few that only need tidying; their ids say what is the matter (``bad-…``, ``odd-…``).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

Fields = dict[str, Any]

_SHOP = "https://shop.example"
_IMAGES = "https://images.shop.example"
_COLOURS = ("Red", "Navy", "Forest Green", "Charcoal", "Ivory", "Mustard")
_SIZES = ("XS", "S", "M", "L", "XL")


class _Line(NamedTuple):
    """A kind of product: how it is named, sorted and priced (in US dollars)."""

    key: str
    nouns: tuple[str, ...]
    category: str
    kind: str
    brand: str
    lowest: int
    highest: int
    worn: bool = False


_LINES = (
    _Line("tee", ("T-Shirt", "Long Sleeve Tee", "Polo Shirt"), "Apparel & Accessories > Clothing > Shirts & Tops",
          "Clothing > Tops", "Fjellvik", 15, 45, worn=True),
    _Line("mug", ("Mug", "Espresso Cup", "Teapot"), "Home & Garden > Kitchen & Dining > Tableware > Drinkware",
          "Home > Kitchen", "Ovenbird", 8, 60),
    _Line("bag", ("Backpack", "Messenger Bag", "Tote"), "Luggage & Bags > Backpacks", "Bags", "Longway", 25, 180),
    _Line("lamp", ("Desk Lamp", "Floor Lamp", "Lantern"), "Home & Garden > Lighting > Lamps", "Home > Lighting",
          "Halvlys", 20, 240),
    _Line("shoe", ("Trail Shoe", "Canvas Sneaker", "Rain Boot"), "Apparel & Accessories > Shoes", "Clothing > Shoes",
          "Fjellvik", 40, 160, worn=True),
    _Line("book", ("Notebook", "Sketchbook", "Diary"), "Office Supplies > General Office Supplies > Paper Products",
          "Stationery", "Papirhus", 4, 35),
    _Line("bike", ("City Bike", "Touring Bike"), "Sporting Goods > Outdoor Recreation > Cycling > Bicycles",
          "Sports > Cycling", "Longway", 380, 2400),
)  # fmt: skip
_QUALITIES = ("Everyday", "Classic", "Light", "Heavy-Duty", "Compact", "Handmade", "Recycled", "Northern")
_MATERIALS = ("Cotton", "Linen", "Stoneware", "Steel", "Canvas", "Oak")
_DESCRIPTIONS = (
    "Made to be used every day, and to be repaired when that day comes.",
    "<p>A quiet design with <b>no surprises</b>.</p><ul><li>Five-year warranty</li><li>Ships in paper</li></ul>",
    "Soft on the outside &amp; sturdy within. Caf\u00e9-tested.",
    "Small batch.\n\nEach piece differs a little from the next: that is how you know it was made by hand.",
)
_RATES = {"USD": Decimal(1), "JPY": Decimal(150), "KWD": Decimal("0.308")}
_DIGITS = {"USD": 2, "JPY": 0, "KWD": 3}


def sample_items(currency: str, about: int, seed: int) -> list[Fields]:
    """About this many items, a few more where the last product has variants."""
    rng = random.Random(f"{seed}/{currency}")
    items: list[Fields] = []
    number = 0
    while len(items) < about:
        number += 1
        items.extend(_product(rng, _LINES[number % len(_LINES)], number, currency))
    return items


def awkward_items() -> list[Fields]:
    """Items with something the matter, in US dollars. The last one repeats the id of the one before it."""
    return [_awkward(name, changes) for name, changes in _AWKWARD]


def _product(rng: random.Random, line: _Line, number: int, currency: str) -> Iterator[Fields]:
    name = f"{rng.choice(_QUALITIES)} {rng.choice(line.nouns)}"
    key = f"{line.key}-{number:04d}"
    price = Decimal(rng.randint(line.lowest * 100, line.highest * 100)) / 100 * _RATES[currency]
    product: Fields = {
        "title": name,
        "description": f"{name} by {line.brand}. {rng.choice(_DESCRIPTIONS)}",
        "condition": "refurbished" if line.key == "bike" and rng.random() < 0.2 else "new",
        "link": f"{_SHOP}/products/{key}",
        "image_link": f"{_IMAGES}/{key}.jpg",
        "additional_image_link": [f"{_IMAGES}/{key}-{view}.jpg" for view in range(1, rng.randint(1, 4))],
        "brand": line.brand,
        "google_product_category": line.category,
        "product_type": line.kind,
        "material": rng.choice(_MATERIALS),
        "custom_label_0": rng.choice(("bestseller", "new", "")),
        "status": "active",
    }
    if rng.random() < 0.2:
        product["sale_price"] = _money(price * Decimal("0.8"), currency)
        product["sale_price_effective_date"] = "2026-11-01T00:00+00:00/2027-01-31T23:59+00:00"
    variants = (
        [(colour, size) for colour in rng.sample(_COLOURS, 2) for size in _SIZES[1:4]] if line.worn else [("", "")]
    )
    for place, (colour, size) in enumerate(variants):
        stock = rng.choice((0, 0, 1, 3, 12, 40, 250))
        item = {"id": key, **product, "price": _money(price, currency), "gtin": _gtin(number * 10 + place)}
        if line.worn:
            item.update(id=f"{key}-{colour[:3].upper()}-{size}", item_group_id=key, color=colour, size=size)
            item.update(
                gender="unisex", age_group="adult", link=f"{_SHOP}/products/{key}?color={colour[:3]}&size={size}"
            )
        item.update(availability="in stock" if stock else "out of stock", quantity_to_sell_on_facebook=stock)
        yield {name: value for name, value in item.items() if value not in ("", [])}


def _money(amount: Decimal, currency: str) -> str:
    return f"{amount:.{_DIGITS[currency]}f} {currency}"


def _gtin(number: int) -> str:
    """An EAN-13 of the range that is left to shops' own use, with its check digit."""
    digits = f"20{number:010d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def _awkward(name: str, changes: Fields) -> Fields:
    item = {
        "id": name,
        "title": f"Sample for {name.partition('-')[2].replace('-', ' ')}",
        "description": "One of the items with something the matter.",
        "availability": "in stock",
        "condition": "new",
        "price": "19.90 USD",
        "link": f"{_SHOP}/products/{name}",
        "image_link": f"{_IMAGES}/{name}.jpg",
        "brand": "Ovenbird",
        "quantity_to_sell_on_facebook": 5,
        **changes,
    }
    return {field: value for field, value in item.items() if value is not None}


_AWKWARD: tuple[tuple[str, Fields], ...] = (
    ("bad-no-price", {"price": None}),
    ("bad-no-availability", {"availability": None, "quantity_to_sell_on_facebook": None}),
    ("bad-no-title", {"title": None}),
    ("bad-no-image", {"image_link": None}),
    ("bad-link", {"link": "shop.example/products/bad link"}),
    ("bad-link-to-domain", {"link": f"{_SHOP}/"}),
    ("bad-currency", {"price": "19.90 ZZZ"}),
    ("bad-sale-price", {"sale_price": "24.90 USD"}),
    ("bad-group-id", {"item_group_id": "bad-group-id"}),
    ("bad-link-in-text", {"description": "More of this on https://other.example/deals today."}),
    ("odd-capitals", {"title": "BIG SUMMER SALE LANTERN"}),
    ("odd-long-title", {"title": "A lantern " + "with a very long name " * 8}),
    (
        "odd-html",
        {"description": "<div style='color:red'><h1>Bright</h1> &amp; <a href='/more'>warm</a><br>light</div>"},
    ),
    ("odd-price-format", {"price": "$1,299.00"}),
    ("odd-availability", {"availability": "In_Stock"}),
    ("odd-spaces", {"title": "  Lantern \u00a0 with   spaces ", "brand": " Ovenbird "}),
    ("odd-unicode", {"title": "Lanterne \u201eL\u00fcm\u00efnance\u201c \u706f\u7c60 \U0001f3ee"}),
    ("odd-repeated", {"title": "The first of two with one id"}),
    ("odd-repeated", {"title": "The second of two with one id"}),
)
