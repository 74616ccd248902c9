"""The GraphQL documents we send to Vendure's Admin API (3.x), as small as their purpose allows."""

from __future__ import annotations

from dataclasses import dataclass

# Of a product that Vendure cannot give in full.
BARE = """query Bare($options: ProductListOptions) {
  products(options: $options) { totalItems items { id variants { id } } }
}"""

VARIANTS = """query Variants($options: ProductVariantListOptions) {
  productVariants(options: $options) { totalItems items { id productId product { updatedAt } } }
}"""


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents that depend on the shop's options.

    Args:
        compare_at: Name of the variants' custom field that holds the price before a reduction; None: there is none.
        stock_location: Id of the one stock location that counts; None: all do.
    """

    compare_at: str | None = None
    stock_location: str | None = None

    @property
    def settings(self) -> str:
        """What applies to all variants, and whether there is the location that counts."""
        location = f'stockLocation(id: "{self.stock_location}") {{ id }}' if self.stock_location else ""
        return f"""query Settings {{
  globalSettings {{ trackInventory outOfStockThreshold serverConfig {{ moneyStrategyPrecision }} }}
  activeChannel {{ token defaultCurrencyCode }} {location}
}}"""

    @property
    def products(self) -> str:
        """Whole products. No ``updatedAt``: it would make unchanged items look changed."""
        return f"""query Products($options: ProductListOptions) {{
  products(options: $options) {{ totalItems items {{
    id slug name description enabled featuredAsset {{ preview }} assets {{ preview }}
    facetValues {{ name facet {{ code }} }}
    variants {{ {self._sold}
      name sku enabled featuredAsset {{ preview }} assets {{ preview }}
      facetValues {{ name facet {{ code }} }} options {{ name code group {{ code name }} }}
    }}
  }} }}
}}"""

    @property
    def sold(self) -> str:
        """Through products rather than ``productVariants``, which resolves stock and prices one variant at a time."""
        return f"""query Sold($options: ProductListOptions) {{
  products(options: $options) {{ totalItems items {{ id variants {{ {self._sold} sku }} }} }}
}}"""

    @property
    def _sold(self) -> str:
        """What decides price and availability. ``stockLevel`` is left out: it is text whose form a shop may change."""
        own = f"customFields {{ {self.compare_at} }}" if self.compare_at else ""
        where = "stockLocationId" if self.stock_location else ""
        return f"""id price priceWithTax currencyCode trackInventory outOfStockThreshold useGlobalOutOfStockThreshold
      stockLevels {{ stockOnHand stockAllocated {where} }} {own}"""
