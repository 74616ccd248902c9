"""What a merchant and his customers do in a Medusa store, through its own APIs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import httpx


class Variant(NamedTuple):
    """``part``: the inventory item that counts its stock."""

    id: str
    part: str


class MedusaStore:
    """A running store, set up to sell in dollars from one location.

    Attributes:
        url: Its address.
        api_key: The secret key that a merchant would give us.
    """

    def __init__(self, url: str, email: str, password: str) -> None:
        self.url = url
        self.api_key = ""
        self._numbers = itertools.count(1)
        self._http = httpx.Client(base_url=url, timeout=60, trust_env=False)
        token = self._ask("POST", "/auth/user/emailpass", {"email": email, "password": password})["token"]
        self._http.headers["authorization"] = f"Bearer {token}"
        self.api_key = self._post("/admin/api-keys", {"title": "catalog", "type": "secret"})["api_key"]["token"]
        self._set_up()

    def close(self) -> None:
        self._http.close()

    def _set_up(self) -> None:
        """One currency, region, channel and location, and what an order needs to go through."""
        store = self._get("/admin/stores")["stores"][0]
        self._channel = self._post("/admin/sales-channels", {"name": "Shop"})["sales_channel"]["id"]
        self._post(f"/admin/stores/{store['id']}", {
            "supported_currencies": [{"currency_code": "usd", "is_default": True}],
            "default_sales_channel_id": self._channel,
        })  # fmt: skip
        region = {
            "name": "US",
            "currency_code": "usd",
            "countries": ["us"],
            "payment_providers": ["pp_system_default"],
        }
        self._region = self._post("/admin/regions", region)["region"]["id"]
        address = {"address_1": "1 Test Street", "country_code": "us"}
        place = self._post("/admin/stock-locations", {"name": "Main", "address": address})["stock_location"]["id"]
        self._location = place
        self._post(f"/admin/stock-locations/{place}/sales-channels", {"add": [self._channel]})
        self._post(f"/admin/stock-locations/{place}/fulfillment-providers", {"add": ["manual_manual"]})
        self._post(f"/admin/stock-locations/{place}/fulfillment-sets", {"name": "Post", "type": "shipping"})
        found = self._get(f"/admin/stock-locations/{place}?fields=*fulfillment_sets")["stock_location"]
        zone = {"name": "US", "geo_zones": [{"type": "country", "country_code": "us"}]}
        sets = self._post(f"/admin/fulfillment-sets/{found['fulfillment_sets'][0]['id']}/service-zones", zone)
        self._profile = self._get("/admin/shipping-profiles")["shipping_profiles"][0]["id"]
        self._shipping = self._post("/admin/shipping-options", {
            "name": "Post",
            "service_zone_id": sets["fulfillment_set"]["service_zones"][0]["id"],
            "shipping_profile_id": self._profile,
            "provider_id": "manual_manual",
            "price_type": "flat",
            "type": {"label": "Post", "description": "Post", "code": "post"},
            "prices": [{"currency_code": "usd", "amount": 1}],
            "rules": [],
        })["shipping_option"]["id"]  # fmt: skip
        key = self._post("/admin/api-keys", {"title": "storefront", "type": "publishable"})["api_key"]
        self._post(f"/admin/api-keys/{key['id']}/sales-channels", {"add": [self._channel]})
        self._publishable = {"x-publishable-api-key": key["token"]}

    def add_product(
        self, title: str, variants: Sequence[tuple[Mapping[str, str], str, float, int]], description: str = "About it"
    ) -> tuple[str, list[Variant]]:
        """A published product with a picture; of each variant its options, SKU, price and stock."""
        titles = list(dict.fromkeys(name for options, *_ in variants for name in options))
        created = self._post("/admin/products?fields=id,variants.id,variants.sku,*variants.inventory_items", {
            "title": title,
            "description": description,
            "status": "published",
            "shipping_profile_id": self._profile,
            "sales_channels": [{"id": self._channel}],
            "images": [{"url": f"https://images.shop.example/{next(self._numbers)}.jpg"}],
            "options": [
                # One value more than is sold, for a variant to come.
                {"title": name, "values": [*dict.fromkeys(options[name] for options, *_ in variants), "Another"]}
                for name in titles
            ],
            "variants": [
                {
                    "title": " / ".join(options.values()),
                    "sku": sku,
                    "manage_inventory": True,
                    "options": dict(options),
                    "prices": [{"currency_code": "usd", "amount": amount}],
                }
                for options, sku, amount, _ in variants
            ],
        })["product"]  # fmt: skip
        parts = {row["sku"]: Variant(row["id"], _part(row)) for row in created["variants"]}
        own = [parts[sku] for _, sku, *_ in variants]
        levels = [
            {"inventory_item_id": one.part, "location_id": self._location, "stocked_quantity": stock}
            for one, (*_, stock) in zip(own, variants, strict=True)
        ]
        self._post("/admin/inventory-items/location-levels/batch", {"create": levels, "update": [], "delete": []})
        return str(created["id"]), own

    def add_variant(self, product: str, options: Sequence[str]) -> str:
        """One that is always there; ``options``: the titles of the product's options. Returns its id."""
        number = next(self._numbers)
        known = {row["id"] for row in self._get(f"/admin/products/{product}/variants?fields=id")["variants"]}
        self._post(f"/admin/products/{product}/variants", {
            "title": "Another",
            "sku": f"ANOTHER-{number}",
            "manage_inventory": False,
            "options": dict.fromkeys(options, "Another"),
            "prices": [{"currency_code": "usd", "amount": 77}],
        })  # fmt: skip
        rows = self._get(f"/admin/products/{product}/variants?fields=id")["variants"]
        return next(str(row["id"]) for row in rows if row["id"] not in known)

    def set_price(self, product: str, variant: Variant, amount: float) -> None:
        path = f"/admin/products/{product}/variants/{variant.id}"
        self._post(path, {"prices": [{"currency_code": "usd", "amount": amount}]})

    def set_stock(self, variant: Variant, stocked: int) -> None:
        path = f"/admin/inventory-items/{variant.part}/location-levels/{self._location}"
        self._post(path, {"stocked_quantity": stocked})

    def begin_sale(self, variant: Variant, amount: float) -> str:
        """The id of the price list."""
        row = {"variant_id": variant.id, "currency_code": "usd", "amount": amount}
        sale = {"title": "Sale", "description": "Sale", "type": "sale", "status": "active", "prices": [row]}
        return str(self._post("/admin/price-lists", sale)["price_list"]["id"])

    def end_sale(self, price_list: str) -> None:
        self._ask("DELETE", f"/admin/price-lists/{price_list}")

    def set_product(self, product: str, **changes: Any) -> None:
        """``title``, ``description``, ``status``, ``images``."""
        self._post(f"/admin/products/{product}", changes)

    def withdraw(self, product: str) -> None:
        """Take the product out of the sales channel."""
        self._post(f"/admin/sales-channels/{self._channel}/products", {"remove": [product]})

    def delete_product(self, product: str) -> None:
        self._ask("DELETE", f"/admin/products/{product}")

    def delete_variant(self, product: str, variant: Variant) -> None:
        self._ask("DELETE", f"/admin/products/{product}/variants/{variant.id}")

    def order(self, variant: Variant, quantity: int) -> None:
        """A customer puts it into a cart and completes it: the stock is reserved."""
        buyer = {
            "region_id": self._region,
            "email": "buyer@shop.example",
            "shipping_address": {
                "first_name": "Test", "last_name": "Buyer", "address_1": "1 Test Street",
                "city": "Testville", "postal_code": "1", "country_code": "us",
            },
        }  # fmt: skip
        cart = self._buy("/store/carts", buyer)["cart"]["id"]
        self._buy(f"/store/carts/{cart}/line-items", {"variant_id": variant.id, "quantity": quantity})
        self._buy(f"/store/carts/{cart}/shipping-methods", {"option_id": self._shipping})
        payment = self._buy("/store/payment-collections", {"cart_id": cart})["payment_collection"]["id"]
        provider = {"provider_id": "pp_system_default"}
        self._buy(f"/store/payment-collections/{payment}/payment-sessions", provider)
        done = self._buy(f"/store/carts/{cart}/complete", {})
        assert done["type"] == "order", done

    def charges(self) -> dict[str, tuple[float, float]]:
        """What the Store API charges a visitor for each variant, and what it says was charged before."""
        found: dict[str, tuple[float, float]] = {}
        for offset in itertools.count(0, 50):
            query = f"limit=50&offset={offset}&region_id={self._region}&fields=id,*variants.calculated_price"
            page = self._ask("GET", f"/store/products?{query}", headers=self._publishable)
            for variant in (one for row in page["products"] for one in row["variants"]):
                price = variant["calculated_price"]
                found[variant["id"]] = price["calculated_amount"], price["original_amount"]
            if offset + 50 >= page["count"]:
                return found
        raise AssertionError("unreachable")

    def _get(self, path: str) -> Any:
        return self._ask("GET", path)

    def _post(self, path: str, body: Any) -> Any:
        return self._ask("POST", path, body)

    def _buy(self, path: str, body: Any) -> Any:
        return self._ask("POST", path, body, self._publishable)

    def _ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        answer = self._http.request(method, path, json=body, headers=headers)
        assert answer.is_success, (method, path, answer.status_code, answer.text[:500])
        return answer.json()


def _part(variant: Mapping[str, Any]) -> str:
    return str(variant["inventory_items"][0]["inventory_item_id"])
