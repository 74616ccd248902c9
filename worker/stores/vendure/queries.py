"""The GraphQL documents we send to Vendure's Admin API (3.x), as small as their purpose allows."""

from __future__ import annotations

SETTINGS = """query Settings {
  globalSettings { trackInventory outOfStockThreshold serverConfig { moneyStrategyPrecision } }
  activeChannel { token defaultCurrencyCode }
}"""

# What decides price and availability. `stockLevel` is left out: it is text whose form a shop may change.
_SOLD = """id price priceWithTax currencyCode trackInventory outOfStockThreshold useGlobalOutOfStockThreshold
      stockLevels { stockOnHand stockAllocated }"""

# No `updatedAt`: it would make unchanged items look changed.
PRODUCTS = f"""query Products($options: ProductListOptions) {{
  products(options: $options) {{ totalItems items {{
    id slug name description enabled featuredAsset {{ preview }} assets {{ preview }}
    facetValues {{ name facet {{ code }} }}
    variants {{ {_SOLD}
      name sku enabled featuredAsset {{ preview }} assets {{ preview }}
      facetValues {{ name facet {{ code }} }} options {{ name code group {{ code name }} }}
    }}
  }} }}
}}"""

# Through products rather than `productVariants`, which resolves stock and prices one variant at a time.
SOLD = f"""query Sold($options: ProductListOptions) {{
  products(options: $options) {{ totalItems items {{ id variants {{ {_SOLD} }} }} }}
}}"""

VARIANTS = """query Variants($options: ProductVariantListOptions) {
  productVariants(options: $options) { totalItems items { id productId product { updatedAt } } }
}"""
