"""Merchants who keep changing what they offer, as feeds over HTTP. They write down what they offered when."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import random
import threading
import time
from collections import deque
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Literal, NamedTuple

Item = dict[str, str]
Mishap = Literal["500", "429", "truncated", "slow"]

COLUMNS = (
    "id", "title", "description", "availability", "condition", "price", "link", "image_link", "brand", "color",
    "quantity_to_sell_on_facebook",
)  # fmt: skip

_CENTS = (900, 1000, 1100, 1250)
_COLORS = ("red", "blue", "")
_SLOW_S = 3.0


class Offer(NamedTuple):
    """From ``at`` (seconds since 1970) on a shop offered this item so; None: no longer."""

    at: float
    shop: str
    retailer_id: str
    item: Item | None


class Stores:
    """Shops of the given sizes at ``url(shop)``. Every change is drawn from the seed, in order."""

    def __init__(self, sizes: dict[str, int], seed: int) -> None:
        self._rng = random.Random(f"{seed} stores")
        self._lock = threading.Lock()
        self._mishaps: deque[Mishap] = deque()
        self.history: list[Offer] = []
        self.shops: dict[str, dict[str, Item]] = {shop: {} for shop in sizes}
        self._sizes = sizes
        self._added = dict(sizes)
        self._removed = dict.fromkeys(sizes, 0)
        for shop, size in sizes.items():
            for number in range(size):
                self._put(shop, f"{shop}-{number:05}", _fresh(shop, number))
        self.changes = 0
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="stores", daemon=True).start()

    def url(self, shop: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{shop}.csv"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def go_wrong(self, mishap: Mishap, times: int) -> None:
        """The next so many requests meet this."""
        self._mishaps.extend([mishap] * times)

    def be_well(self) -> None:
        self._mishaps.clear()

    def change(self) -> None:
        """One merchant does one thing to one item."""
        rng = self._rng
        with self._lock:
            self.changes += 1
            # Larger ones change more often, and none so much that it looks like an accident.
            shop = rng.choices(list(self._sizes), [math.sqrt(size) for size in self._sizes.values()])[0]
            items = self.shops[shop]
            key = rng.choice(sorted(items))
            item, dice = dict(items[key]), rng.random()
            if dice < 0.35:
                item["price"] = _price(rng.choice(_CENTS))
            elif dice < 0.55:
                quantity = rng.choice((0, 3, 7))
                item["quantity_to_sell_on_facebook"] = str(quantity)
                item["availability"] = "in stock" if quantity else "out of stock"
            elif dice < 0.8:
                item["title"] = f"Plain mug {key} mark {rng.randrange(4)}"
                item["color"] = rng.choice(_COLORS)
            elif dice < 0.9:
                self._added[shop] += 1
                key, item = f"{shop}-{self._added[shop]:05}", _fresh(shop, self._added[shop])
                if rng.random() < 0.3:
                    item["image_link"] = ""  # Meta would refuse it, so it must not be sent
            elif self._removed[shop] < max(9, self._sizes[shop] // 12):
                self._removed[shop] += 1
                self._put(shop, key, None)
                return
            self._put(shop, key, item)

    def mend(self, retailer_ids: Iterable[str]) -> None:
        """What merchants do about items that Meta has refused: they are other items now, and back if they were gone."""
        with self._lock:
            for key in sorted(retailer_ids):
                shop, number = key.rsplit("-", 1)
                item = self.shops[shop].get(key) or _fresh(shop, int(number))
                self._put(shop, key, {**item, "title": f"Mended mug {key}", "price": _price(1500)})

    def valid(self, shop: str) -> dict[str, Item]:
        """What Meta should show of a shop."""
        with self._lock:
            return {key: item for key, item in self.shops[shop].items() if item["image_link"]}

    def serve(self, path: str) -> tuple[bytes, Mishap | None] | None:
        """The feed at a path, and what goes wrong with this request; None: there is no such shop."""
        shop = path.strip("/").removesuffix(".csv")
        with self._lock:
            if shop not in self.shops:
                return None
            text = io.StringIO(newline="")
            table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
            table.writeheader()
            table.writerows(self.shops[shop].values())
            return text.getvalue().encode(), self._mishaps.popleft() if self._mishaps else None

    def _put(self, shop: str, key: str, item: Item | None) -> None:
        if item is None:
            del self.shops[shop][key]
        else:
            self.shops[shop][key] = item
        self.history.append(Offer(time.time(), shop, key, item))


def _fresh(shop: str, number: int) -> Item:
    key = f"{shop}-{number:05}"
    return {
        "id": key,
        "title": f"Plain mug {key}",
        "description": f"Mug number {number} of a small series",
        "availability": "in stock",
        "condition": "new",
        "price": _price(_CENTS[number % 4]),
        "link": f"https://shop.example/products/{key}",
        "image_link": f"https://images.shop.example/{key}.jpg",
        "brand": "Ovenbird",
        "color": _COLORS[number % 3],
        "quantity_to_sell_on_facebook": "7",
    }


def _price(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02} USD"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        super().__init__(("127.0.0.1", 0), _Feed)

    def server_bind(self) -> None:
        """Without the look-up of the machine's own name."""
        TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Readers are killed and hang up; that is no news."""


class _Feed(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is http.server's
        """Nothing."""

    def do_GET(self) -> None:
        found = self.server.stores.serve(self.path)
        if found is None:
            self._answer(404, b"")
            return
        body, mishap = found
        etag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
        if mishap == "500":
            self._answer(500, b"Internal Server Error", kind="text/plain")
        elif mishap == "429":
            self._answer(429, b"", **{"Retry-After": "3"})
        elif mishap is None and self.headers.get("if-none-match") == etag:
            self._answer(304, b"", ETag=etag)
        else:
            if mishap == "slow":
                time.sleep(_SLOW_S)
            self._answer(200, body, cut=mishap == "truncated", ETag=etag)

    def _answer(self, status: int, body: bytes, *, kind: str = "text/csv", cut: bool = False, **headers: str) -> None:
        self.send_response(status)
        if status != 304:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut
