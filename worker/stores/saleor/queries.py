"""The GraphQL documents we send to Saleor, as small as their purpose allows.

The tests validate each against Saleor's own schema; of what is deprecated only ``preorder`` is used, which has no
successor. ``updatedAt`` is not read: it would make unchanged items look changed.
"""

from __future__ import annotations

from dataclasses import dataclass

# In every document: a token may be revoked between two pages, and an unknown one is taken for the public.
_APP = "app { permissions { code } }"

START = f"""query Start($channel: String!) {{ {_APP}
  channel(slug: $channel) {{ isActive taxConfiguration {{ displayGrossPrices }} warehouses {{ slug }} }}
}}"""

ATTRIBUTES, CHOICES = 20, 3
"""How many attributes of a product or variant are read, and how many values of one. Saleor prices a query by what it
may return, at most 50,000 points; with these two 100 rows make 33,300 (its ``query_cost_map.py``)."""


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents that depend on the shop.

    Args:
        gross: Prices with tax, else without.
        language: A ``LanguageCodeEnum`` whose texts are read beside the shop's own; None: these alone.
        preorder: Whether this Saleor still has preorders, which 3.24 has and calls deprecated.
    """

    gross: bool
    language: str | None = None
    preorder: bool = True

    @property
    def variants(self) -> str:
        """All variants of the channel's products."""
        return _list("Variants", self._whole)

    @property
    def sold(self) -> str:
        """What decides price and availability of all of them."""
        return _list("Sold", f"{self._sold} product {{ {_LISTED} }}")

    @property
    def variants_by_id(self) -> str:
        return f"""query VariantsById($channel: String!, $first: Int!, $ids: [ID!]!) {{ {_APP}
  productVariants(channel: $channel, first: $first, ids: $ids) {{ edges {{ node {{ {self._whole} }} }} }}
}}"""

    @property
    def _sold(self) -> str:
        # Under a channel, ``stocks`` are those of the warehouses that it sells from.
        tax = "gross" if self.gross else "net"
        preorder = "preorder { globalThreshold globalSoldUnits }" if self.preorder else ""
        return f"""id sku trackInventory {preorder}
      pricing {{ price {{ money: {tax} {{ amount currency }} }} priceUndiscounted {{ money: {tax} {{ amount }} }} }}
      stocks {{ quantity quantityAllocated warehouse {{ slug }} }}"""

    @property
    def _whole(self) -> str:
        # ``parent`` rather than ``ancestors``, which Saleor looks up one category at a time.
        return f"""{self._sold} {self._attributes} {_MEDIA}
      product {{ {_LISTED} id name slug description {self._texts} {self._attributes} {_MEDIA}
        category {{ name {self._name} parent {{ name {self._name} parent {{ name {self._name} }} }} }} }}"""

    @property
    def _name(self) -> str:
        return f"translation(languageCode: {self.language}) {{ name }}" if self.language else ""

    @property
    def _texts(self) -> str:
        return f"translation(languageCode: {self.language}) {{ name description }}" if self.language else ""

    @property
    def _attributes(self) -> str:
        told = f"translation(languageCode: {self.language})" if self.language else ""
        return f"""assignedAttributes(limit: {ATTRIBUTES}) {{ attribute {{ slug name }}
        ... on AssignedSingleChoiceAttribute {{ choice: value {{ name {told} }} }}
        ... on AssignedMultiChoiceAttribute {{ choices: value(limit: {CHOICES}) {{ name {told} }} }}
        ... on AssignedSwatchAttribute {{ choice: value {{ name {told} }} }}
        ... on AssignedPlainTextAttribute {{ text: value {told} }}
        ... on AssignedNumericAttribute {{ number: value }}
      }}"""


_LISTED = "channelListings { channel { slug } isPublished publishedAt visibleInListings isAvailableForPurchase }"

# Not larger than Meta needs: originals may exceed what it takes.
_MEDIA = "media { type url(size: 2048) }"


def _list(name: str, selection: str) -> str:
    # Sorted by change, the only order of variants whose cursors never skip one without an SKU; what changes while
    # we read moves behind our position, not before it.
    return f"""query {name}($channel: String!, $first: Int!, $after: String) {{ {_APP}
  productVariants(
    channel: $channel, first: $first, after: $after, sortBy: {{field: LAST_MODIFIED_AT, direction: ASC}}
  ) {{
    totalCount pageInfo {{ hasNextPage endCursor }} edges {{ node {{ {selection} }} }}
  }}
}}"""
