"""A realistic feed of any size, always the same, and what becomes of it: a few changes, or every price another."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import msgspec

COLUMNS = (
    "id", "item_group_id", "title", "description", "availability", "condition", "price", "sale_price", "link",
    "image_link", "additional_image_link", "brand", "gtin", "google_product_category", "product_type", "color", "size",
    "material", "quantity_to_sell_on_facebook", "custom_label_0",
)  # fmt: skip

_QUALITIES = ("Everyday", "Classic", "Light", "Heavy-Duty", "Compact", "Handmade", "Recycled", "Northern", "Café")
_NOUNS = ("T-Shirt", "Rain Jacket", "Trail Shoe", "Backpack", "Desk Lamp", "Espresso Cup", "Notebook", "Blanket")
_BRANDS = ("Fjellvik", "Ovenbird", "Longway", "Halvlys", "Papirhus")
_COLOURS = ("Red", "Navy", "Forest Green", "Charcoal")
_SIZES = ("S", "M", "L", "XL")
_MATERIALS = ("Cotton", "Linen", "Wool", "Canvas", "Recycled polyester")
_TEXT = (
    "Made to be used every day, and to be repaired when that day comes.",
    "A quiet design, with no surprises: a five-year warranty, and it ships in paper.",
    "Soft on the outside & sturdy within; tested in a café, a kitchen, and on a long way home.",
    "Each piece differs a little from the next, which is how you know that it was made by hand.",
    'Reviewers called it "the one to keep", and most of them did.',
    "Wash cold, dry in the shade, and do not iron the print.",
)
_VARIANTS = 4
_INVALID_EVERY = 1000


def items(count: int, *, prices: int = 0, changed: bool = False) -> Iterator[dict[str, str]]:
    """The rows of a feed, about 1 kB each, in four variants per product; one in a thousand has no price.

    Args:
        prices: Another number gives every item another price and quantity.
        changed: What a day does to 1 % of them: 0.6 % another price, 0.3 % another title, 0.05 % gone, 0.05 % new.
    """
    for number in range(count):
        place = number % 2000
        if changed and place == 1999:
            continue
        yield _item(
            number, prices + (changed and place % 1000 < 6), "New " if changed and 6 <= place % 1000 < 9 else ""
        )
    if changed:
        yield from (_item(number, prices, "") for number in range(count, count + count // 2000))


def write(path: Path, rows: Iterator[dict[str, str]]) -> None:
    """Write a feed beside its place and move it there, as a shop's export should."""
    beside = path.with_name(f"{path.name}.new")
    if path.suffix == ".ndjson":
        with beside.open("wb") as lines:
            lines.writelines(msgspec.json.encode(row) + b"\n" for row in rows)
    else:
        with beside.open("w", newline="", encoding="utf-8") as table:
            writer = csv.DictWriter(table, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    beside.replace(path)


def _item(number: int, prices: int, prefix: str) -> dict[str, str]:
    product, variant = divmod(number, _VARIANTS)
    name = f"{prefix}{_QUALITIES[product % 9]} {_NOUNS[product % 8]} {product}"
    cents = 500 + (product * 7919 + variant * 100 + prices * 37) % 25_000
    quantity = (number * 31 + prices * 7) % 50
    text = " ".join(_TEXT[(product + step) % 6] for step in range(5))
    return {
        "id": f"SKU-{number:07d}",
        "item_group_id": f"P-{product:07d}",
        "title": f"{name}, {_COLOURS[variant]}",
        "description": f"{name} by {_BRANDS[product % 5]}. {text}",
        "availability": "in stock" if quantity else "out of stock",
        "condition": "new",
        "price": "" if number % _INVALID_EVERY == _INVALID_EVERY // 2 else f"{cents // 100}.{cents % 100:02d} USD",
        "sale_price": f"{cents * 8 // 1000}.{cents * 8 // 10 % 100:02d} USD" if product % 5 == 0 else "",
        "link": f"https://shop.example/products/{product}?variant={variant}",
        "image_link": f"https://images.shop.example/{product}/{variant}.jpg",
        "additional_image_link": ",".join(f"https://images.shop.example/{product}/{view}.jpg" for view in range(4, 7)),
        "brand": _BRANDS[product % 5],
        "gtin": _gtin(number),
        "google_product_category": "Apparel & Accessories > Clothing > Outerwear > Coats & Jackets",
        "product_type": f"Clothing > {_NOUNS[product % 8]}",
        "color": _COLOURS[variant],
        "size": _SIZES[number // 3 % 4],
        "material": _MATERIALS[product % 5],
        "quantity_to_sell_on_facebook": str(quantity),
        "custom_label_0": "bestseller" if product % 20 == 0 else "",
    }


def _gtin(number: int) -> str:
    """A GTIN-13 with the right check digit, of a range that GS1 keeps for use inside a shop."""
    digits = f"2{number:011d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"
