"""What a merchant and a customer do in a real Vendure store, through its own APIs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx


@dataclass
class VendureStore:
    """A running store and the edits that tests make in it. Prices are cents without tax, ids Vendure's."""

    url: str
    api_key: str
    _token: str

    def admin(self, query: str, **variables: Any) -> dict[str, Any]:
        """The ``data`` of an Admin API call as superadmin; an error in it fails the test."""
        return ask(f"{self.url}/admin-api", query, variables, self._token)[0]

    def variants(self) -> list[dict[str, Any]]:
        """Every variant: id, productId, price, priceWithTax, enabled."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.admin(
                "query($skip: Int!) { productVariants(options: {skip: $skip, take: 1000, sort: {id: ASC}}) "
                "{ totalItems items { id productId price priceWithTax enabled } } }",
                skip=len(found),
            )["productVariants"]
            found += page["items"]
            if len(found) >= page["totalItems"]:
                return found

    def saleable(self, variant_id: str) -> int:
        found = self.admin(
            "query($id: ID!) { productVariant(id: $id) { stockLevels { stockOnHand stockAllocated } } }", id=variant_id
        )
        return sum(one["stockOnHand"] - one["stockAllocated"] for one in found["productVariant"]["stockLevels"])

    def set_price(self, variant_id: str, price: int) -> None:
        self._update_variant(variant_id, price=price)

    def delete_price(self, variant_id: str) -> None:
        """Leave a variant without a price in the shop's currency, as one that another channel had first."""
        self._update_variant(variant_id, prices=[{"currencyCode": "USD", "price": 0, "delete": True}])

    def add_stock_location(self, name: str) -> str:
        """Its id."""
        created = self.admin(
            "mutation($input: CreateStockLocationInput!) { createStockLocation(input: $input) { id } }",
            input={"name": name, "description": "test"},
        )
        return str(created["createStockLocation"]["id"])

    def set_stock_there(self, variant_id: str, location_id: str, on_hand: int) -> None:
        self._update_variant(variant_id, stockLevels=[{"stockLocationId": location_id, "stockOnHand": on_hand}])

    def set_stock(self, variant_id: str, on_hand: int) -> None:
        self._update_variant(variant_id, stockOnHand=on_hand)

    def set_variant_enabled(self, variant_id: str, *, enabled: bool) -> None:
        self._update_variant(variant_id, enabled=enabled)

    def set_variant_name(self, variant_id: str, name: str) -> None:
        """What becomes the item's title."""
        self._update_variant(variant_id, translations=[{"languageCode": "en", "name": name}])

    def set_product_description(self, product_id: str, text: str) -> None:
        self._update_product(product_id, translations=[{"languageCode": "en", "description": text}])

    def set_product_enabled(self, product_id: str, *, enabled: bool) -> None:
        self._update_product(product_id, enabled=enabled)

    def delete_product(self, product_id: str) -> None:
        answer = self.admin("mutation($id: ID!) { deleteProduct(id: $id) { result } }", id=product_id)
        assert answer["deleteProduct"]["result"] == "DELETED"

    def delete_variant(self, variant_id: str) -> None:
        answer = self.admin("mutation($id: ID!) { deleteProductVariant(id: $id) { result } }", id=variant_id)
        assert answer["deleteProductVariant"]["result"] == "DELETED"

    def set_compare_at(self, variant_id: str, price: int | None) -> None:
        """The custom field with the price before a reduction."""
        self._update_variant(variant_id, customFields={"compareAtPrice": price})

    def set_picture(self, product_id: str) -> str:
        """Give a product another picture than it has; its address."""
        found = self.admin(
            "query($id: ID!) { product(id: $id) { featuredAsset { id } } assets(options: {take: 2}) "
            "{ items { id preview } } }",
            id=product_id,
        )
        own = found["product"]["featuredAsset"]["id"]
        other = next(one for one in found["assets"]["items"] if one["id"] != own)
        self._update_product(product_id, featuredAssetId=other["id"], assetIds=[other["id"]])
        return str(other["preview"])

    def add_variant(self, product_id: str, name: str) -> str:
        """A variant with a new value of the product's first option; its id."""
        found = self.admin("query($id: ID!) { product(id: $id) { optionGroups { id options { id } } } }", id=product_id)
        first, *others = found["product"]["optionGroups"]
        made = self.admin(
            "mutation($input: CreateProductOptionInput!) { createProductOption(input: $input) { id } }",
            input={
                "productOptionGroupId": first["id"],
                "code": f"new-{product_id}",
                "translations": [{"languageCode": "en", "name": "New"}],
            },
        )["createProductOption"]["id"]
        return self._create_variant(product_id, name, [made, *(group["options"][0]["id"] for group in others)])

    def add_product(self, like: str, name: str) -> str:
        """A product with one variant and the facets and picture of the product ``like``; the variant's id."""
        donor = self.admin(
            "query($id: ID!) { product(id: $id) { description featuredAsset { id } facetValues { id } } }", id=like
        )["product"]
        text = {"languageCode": "en", "name": name, "slug": f"new-{like}", "description": donor["description"]}
        product_id = self.admin(
            "mutation($input: CreateProductInput!) { createProduct(input: $input) { id } }",
            input={
                "enabled": True,
                "translations": [text],
                "featuredAssetId": donor["featuredAsset"]["id"],
                "assetIds": [donor["featuredAsset"]["id"]],
                "facetValueIds": [value["id"] for value in donor["facetValues"]],
            },
        )["createProduct"]["id"]
        return self._create_variant(product_id, name, [])

    def order(self, variant_id: str, quantity: int) -> None:
        """A customer buys and pays: the stock is allocated, and no timestamp of product or variant moves."""
        shop = f"{self.url}/shop-api"
        data, token = ask(
            shop,
            "mutation($v: ID!, $q: Int!) { addItemToOrder(productVariantId: $v, quantity: $q) { __typename } }",
            {"v": variant_id, "q": quantity},
        )
        assert data["addItemToOrder"]["__typename"] == "Order", data

        def step(mutation: str, field: str) -> None:
            answer, _ = ask(shop, f"mutation {{ {mutation} }}", {}, token)
            assert answer[field]["__typename"] == "Order", answer

        step(
            'setCustomerForOrder(input: {firstName: "Test", lastName: "Buyer", emailAddress: "buyer@shop.example"}) '
            "{ __typename }",
            "setCustomerForOrder",
        )
        step(
            'setOrderShippingAddress(input: {streetLine1: "1 Test Street", countryCode: "US"}) { __typename }',
            "setOrderShippingAddress",
        )
        methods, _ = ask(shop, "{ eligibleShippingMethods { id } }", {}, token)
        method = methods["eligibleShippingMethods"][0]["id"]
        step(f'setOrderShippingMethod(shippingMethodId: ["{method}"]) {{ __typename }}', "setOrderShippingMethod")
        step('transitionOrderToState(state: "ArrangingPayment") { __typename }', "transitionOrderToState")
        step('addPaymentToOrder(input: {method: "standard-payment", metadata: {}}) { __typename }', "addPaymentToOrder")

    def _create_variant(self, product_id: str, name: str, option_ids: list[str]) -> str:
        made = self.admin(
            "mutation($input: [CreateProductVariantInput!]!) { createProductVariants(input: $input) { id } }",
            input=[{
                "productId": product_id,
                "sku": f"new-{product_id}",
                "price": 20_00,
                "stockOnHand": 4,
                "optionIds": option_ids,
                "translations": [{"languageCode": "en", "name": name}],
            }],
        )  # fmt: skip
        return str(made["createProductVariants"][0]["id"])

    def _update_variant(self, variant_id: str, **changes: Any) -> None:
        self.admin(
            "mutation($input: [UpdateProductVariantInput!]!) { updateProductVariants(input: $input) { id } }",
            input=[{"id": variant_id, **changes}],
        )

    def _update_product(self, product_id: str, **changes: Any) -> None:
        self.admin(
            "mutation($input: UpdateProductInput!) { updateProduct(input: $input) { id } }",
            input={"id": product_id, **changes},
        )


def ask(url: str, query: str, variables: dict[str, Any], token: str = "") -> tuple[dict[str, Any], str]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    answer = httpx.post(
        url, json={"query": query, "variables": variables}, headers=headers, timeout=120, trust_env=False
    )
    body = answer.json()
    assert "errors" not in body, body["errors"]
    return body["data"], answer.headers.get("vendure-auth-token", token)
