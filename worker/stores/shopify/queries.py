"""The GraphQL documents we send to Shopify's Admin API (2026-07 and 2026-10), as small as their purpose allows.

The tests validate each against Shopify's own schema. None uses a deprecated field. ``updatedAt`` is read to tell
lists apart and never kept: it would make unchanged items look changed.
"""

from __future__ import annotations

from dataclasses import dataclass

SCOPES = "query Scopes { currentAppInstallation { accessScopes { handle } } }"

# The export that is made meanwhile. ``currentBulkOperation`` is deprecated and may show another one of this app.
EXPORT = """query Export($id: ID!) {
  bulkOperation(id: $id) { id status errorCode createdAt objectCount rootObjectCount url }
}"""

RUN_EXPORT = """mutation RunExport($query: String!) {
  bulkOperationRunQuery(query: $query, groupObjects: false) {
    bulkOperation { id status } userErrors { code field message }
  }
}"""

COUNT = "query Count($limit: Int!) { productVariantsCount(limit: $limit) { count } }"

CHANGED_PRODUCTS = """query ChangedProducts($query: String!, $first: Int!, $after: String) {
  products(query: $query, first: $first, after: $after, sortKey: ID) {
    nodes { id } pageInfo { hasNextPage endCursor }
  }
}"""

# ``variants``, because since 2025 several variants may share one inventory item.
CHANGED_STOCK = """query ChangedStock($query: String!, $first: Int!, $after: String) {
  inventoryItems(query: $query, first: $first, after: $after) {
    nodes { id variants(first: 5) { nodes { id updatedAt product { updatedAt } } } }
    pageInfo { hasNextPage endCursor }
  }
}"""


# One location after the other, because a level has no other list that can be asked for what changed.
CHANGED_LEVELS = """query ChangedLevels($query: String!, $first: Int!, $after: String, $behind: String) {
  locations(first: 1, after: $behind) {
    nodes { id inventoryLevels(query: $query, first: $first, after: $after) {
      nodes { id item { id variants(first: 5) { nodes { id updatedAt product { updatedAt } } } } }
      pageInfo { hasNextPage endCursor } } }
    pageInfo { hasNextPage endCursor }
  }
}"""


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents that depend on the shop's options.

    Args:
        country: ISO 3166-1 alpha-2 code whose customers' prices are read; None: the shop's own prices.
        publication: gid of the publication that decides what is for sale; None: the online store.
        language: Locale of the shop's whose translations are read; None: the shop's own language.
        location: gid of the one location whose stock counts; None: all that sell online.
    """

    country: str | None = None
    publication: str | None = None
    language: str | None = None
    location: str | None = None

    @property
    def shop(self) -> str:
        """What applies to all variants, and whether there is the location that counts."""
        there = f'location(id: "{self.location}") {{ id }}' if self.location else ""
        return f"query Shop {{ shop {{ currencyCode }} {there} }}"

    @property
    def export_items(self) -> str:
        """The whole catalog. Connections may nest two deep there, and need ``edges`` (Shopify's bulk guide)."""
        return f"""{{ products(query: "status:active,archived,draft,unlisted") {{ edges {{ node {{ {self._product}
  media {{ edges {{ node {{ id {_IMAGE} }} }} }}
  variants {{ edges {{ node {{ {self._variant} media {{ edges {{ node {{ id {_IMAGE} }} }} }} }} }} }}
}} }} }} }}"""

    @property
    def export_sold(self) -> str:
        return f"{{ productVariants {{ edges {{ node {{ {self._sold} sku }} }} }} }}"

    @property
    def sold(self) -> str:
        return f"""query Sold($first: Int!, $after: String) {{
  productVariants(first: $first, after: $after, sortKey: ID) {{
    nodes {{ {self._sold} sku }} pageInfo {{ hasNextPage endCursor }}
  }}
}}"""

    @property
    def variants(self) -> str:
        return f"""query Variants($query: String!, $first: Int!, $after: String) {{
  productVariants(query: $query, first: $first, after: $after, sortKey: ID) {{
    nodes {{ {self._paged_variant} }} pageInfo {{ hasNextPage endCursor }}
  }}
}}"""

    @property
    def variants_by_id(self) -> str:
        return f"query VariantsById($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on ProductVariant {{ {self._paged_variant} }} }} }}"  # noqa: E501 - GraphQL reads no better when broken here

    @property
    def products_by_id(self) -> str:
        return f"""query ProductsById($ids: [ID!]!) {{
  nodes(ids: $ids) {{ ... on Product {{ {self._product} media(first: {IMAGES}) {{ nodes {{ id {_IMAGE} }} }} }} }}
}}"""

    @property
    def _sold(self) -> str:
        """What decides price and availability."""
        here = ""
        if self.country:
            here = f"""contextualPricing(context: {{country: {self.country}}}) {{
      price {{ amount currencyCode }} compareAtPrice {{ amount currencyCode }} }}"""
        level = ""
        if self.location:
            level = f"""inventoryLevel(locationId: "{self.location}") {{
        id quantities(names: ["available"]) {{ name quantity }} }}"""
        return f"""id price compareAtPrice availableForSale inventoryPolicy sellableOnlineQuantity
      inventoryItem {{ id tracked {level} }} {here}"""

    @property
    def _variant(self) -> str:
        value = f"optionValue {{ id {self._translations} }}" if self.language else ""
        return f"{self._sold} title sku barcode selectedOptions {{ name value {value} }}"

    @property
    def _paged_variant(self) -> str:
        return f"{self._variant} updatedAt product {{ id updatedAt }} media(first: 1) {{ nodes {{ id {_IMAGE} }} }}"

    @property
    def _product(self) -> str:
        sold_there = f'publishedOnPublication(publicationId: "{self.publication}")' if self.publication else ""
        return f"""id title descriptionHtml handle vendor productType status onlineStoreUrl {sold_there}
  {self._translations} category {{ id fullName }}"""

    @property
    def _translations(self) -> str:
        return f'translations(locale: "{self.language}") {{ key value }}' if self.language else ""


IMAGES = 20
"""As many pictures of a product as Meta takes besides the first."""

_IMAGE = "... on MediaImage { image { url } }"
