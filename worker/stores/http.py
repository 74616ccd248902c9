"""HTTP as stores use it, and the only module of theirs that does.

A merchant chose the address, so nothing it answers is trusted: the address is checked when it is dialled
(``dialing``), redirects are followed by hand under the same check, every call has a total deadline, and bodies
are bounded on the wire and unpacked. What goes wrong leaves this module as an error of ``worker.errors`` whose
text holds no query string, no header and no byte of a body.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import IO, NoReturn
from urllib.parse import quote, urlencode, urljoin, urlsplit

import httpcore
import httpx

from worker.errors import BadInput, ShelfbeatError, StoreIncomplete, StoreRefused, Throttled, Transient
from worker.stores.addresses import parse_networks
from worker.stores.dialing import Deadline, GuardedBackend, GuardedTransport
from worker.stores.inflate import Bomb, BrokenGzip, Inflater

CONNECT_S = 5.0
READ_S = 20.0
ANSWER_S = 45.0
"""Longest silence of an API: it computes a whole page before the first byte (Vendure: 2.5 ms a variant)."""
CALL_S = 60.0
_MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one answer may cost.

    Attributes:
        total_s: Seconds from the first byte sent to the last one read, redirects included.
        wire_bytes: Body as it travels.
        body_bytes: Body after unpacking.
        min_bytes_per_s: Slowest average tolerated once ``READ_S`` seconds are over; 0 leaves it to ``total_s``.
    """

    total_s: float
    wire_bytes: int
    body_bytes: int
    min_bytes_per_s: int = 0


CALL = Bounds(total_s=CALL_S, wire_bytes=32 << 20, body_bytes=64 << 20)
FILE = Bounds(total_s=900.0, wire_bytes=4 << 30, body_bytes=8 << 30, min_bytes_per_s=16 << 10)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, read to its end. ``date`` is the server's clock, None where it sends none or nonsense."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    date: datetime | None
    url: str


class StoreHttp:
    """One store's connections. Not shared between threads; close it.

    Args:
        allowed_networks: CIDRs that may be reached although they are not public.
        headers: Sent with every request to the address asked for; never to another origin.
        transport: Takes the place of the network in tests.
    """

    def __init__(
        self,
        allowed_networks: tuple[str, ...] = (),
        *,
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._deadline = Deadline(clock)
        self._headers = dict(headers or {})
        self._transport = transport or GuardedTransport(
            GuardedBackend(parse_networks(allowed_networks), self._deadline), _ssl_context()
        )

    def close(self) -> None:
        self._transport.close()

    def post(self, url: str, body: bytes, content_type: str = "application/json") -> Answer:
        """One API call, whatever its status: the caller reads the vendor's own error first, then ``refuse``.

        Raises ``Transient`` for what may pass, ``StoreRefused`` for an address that may not be reached or that
        redirects: a call is not repeated elsewhere, since its headers carry the credential.
        """
        return self._call("POST", url, url, {"content-type": content_type}, body)

    def get(
        self, url: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One API call that only reads. Answers and raises as ``post`` does.

        Args:
            params: Added to the query of ``url``, percent-encoded as RFC 3986 has it (a space is ``%20``).
            headers: Of this call alone, such as a signature.
        """
        return self._call("GET", url, _with_query(url, params or {}), headers or {}, b"")

    def _call(self, method: str, url: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self._deadline.start(CALL.total_s)
        headers = {**self._headers, **headers, "accept": "application/json"}
        with self._exchange(method, check_url(target), headers, body, silence_s=ANSWER_S) as response:
            if response.status_code in _REDIRECTS:
                raise StoreRefused(
                    f"{display(url)} answers with a redirect.", action="Give the final address of the store's API."
                )
            try:
                data = b"".join(_decoded(response, CALL, self._clock))
            except (StoreIncomplete, Bomb) as error:
                raise Transient(f"The answer of {display(url)} broke off or is not acceptable.") from error
            return Answer(response.status_code, _lower(response), data, _date(response), url)

    def download(self, url: str, sink: IO[bytes], conditions: Mapping[str, str], bounds: Bounds = FILE) -> Answer:
        """GET a file into ``sink``; the answer's body is empty.

        Status 200 or, if ``conditions`` hold validators, 304. Raises ``StoreIncomplete`` for a file that did not
        arrive whole, ``StoreRefused`` for one that is refused or not there, ``Transient`` for what may pass.
        """
        self._deadline.start(bounds.total_s)
        current, origin = check_url(url), origin_of(url)
        for _ in range(_MAX_REDIRECTS + 1):
            own = self._headers if origin_of(current) == origin else {}
            headers = {**own, **conditions, "accept": "*/*"}
            with self._exchange("GET", current, headers, b"", silence_s=READ_S, file=True) as response:
                if response.status_code in _REDIRECTS and "location" in response.headers:
                    current = _next_url(current, response.headers["location"])
                    continue
                answer = Answer(response.status_code, _lower(response), b"", _date(response), current)
                if answer.status == 304 and conditions:
                    return answer
                if answer.status != 200:
                    refuse(answer)
                try:
                    for piece in _decoded(response, bounds, self._clock):
                        sink.write(piece)
                except Bomb:
                    raise StoreIncomplete(f"{display(url)} is larger than a feed may be.") from None
                return answer
        raise StoreRefused(f"{display(url)} redirects more than {_MAX_REDIRECTS} times.")

    @contextmanager
    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, silence_s: float, file: bool = False
    ) -> Iterator[httpx.Response]:
        # Straight to the transport: httpx.Client would log every URL with its query, where merchants keep keys,
        # and bring cookies, proxies from the environment and its own redirects.
        request = httpx.Request(
            method,
            url,
            headers={"user-agent": "shelfbeat", "accept-encoding": "gzip", **headers},
            content=body if method == "POST" else None,
            extensions={
                "timeout": {
                    "connect": CONNECT_S,
                    "read": silence_s,
                    "write": READ_S,
                    "pool": CONNECT_S,
                }
            },
        )
        response: httpx.Response | None = None
        try:
            response = self._transport.handle_request(request)
            yield response
        except ShelfbeatError:
            raise
        except (httpcore.RemoteProtocolError, httpx.RemoteProtocolError) as error:
            if file and response is not None:
                raise StoreIncomplete(
                    f"{display(url)} ended before all of the bytes that it announced had come."
                ) from error
            raise Transient(f"{display(url)} broke off its answer.") from error
        except (httpcore.TimeoutException, httpx.TimeoutException) as error:
            raise Transient(f"{display(url)} did not answer in time.") from error
        except (httpcore.ConnectError, httpx.ConnectError) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise Transient(
                    f"The certificate of {display(url)} is not valid.",
                    action="Renew the store's certificate.",
                    owner="merchant",
                ) from error
            raise Transient(f"{display(url)} could not be reached.") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpx.TransportError) as error:
            raise Transient(f"The connection to {display(url)} failed.") from error
        finally:
            if response is not None:
                response.close()


def refuse(answer: Answer) -> NoReturn:
    """Raise what a status other than success means.

    429, and 503 with ``Retry-After``: ``Throttled``. 5xx, 408, 425: ``Transient``. Everything else: ``StoreRefused``.
    """
    status, place = answer.status, display(answer.url)
    wait_s = _retry_after_s(answer)
    if status == 429 or (status == 503 and wait_s is not None):
        raise Throttled(f"{place} asks for fewer calls ({status}).", scope="store", retry_after_s=wait_s)
    if status >= 500 or status in (408, 425):
        raise Transient(f"{place} has trouble of its own ({status}).", retry_after_s=wait_s)
    if status in (401, 403):
        raise StoreRefused(f"{place} refuses our credentials ({status}).", action="Give the shop a valid store secret.")
    if status in (404, 410):
        raise StoreRefused(f"{place} is not there ({status}).", action="Correct the shop's store address.")
    raise StoreRefused(f"{place} answers with HTTP status {status}.", action="Check the shop's store address.")


def check_url(url: str) -> str:
    """``url`` itself. Raises ``BadInput`` unless it is http(s) with a host and without credentials."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        valid = False
    if not valid:
        raise BadInput(f"{display(url)} is not an http(s) address.")
    if "@" in parts.netloc:
        raise BadInput(
            f"{display(url)} carries a user name or password.",
            action="Remove it from the address; secrets have their own option.",
        )
    return url


def _with_query(url: str, params: Mapping[str, str]) -> str:
    if not params:
        return url
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(params, quote_via=quote, safe='')}"


def display(url: str) -> str:
    """``url`` as messages may show it: without user name, query and fragment, where secrets live."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "The store's address"
    if not host:
        return "The store's address"
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}"


@cache
def _ssl_context() -> ssl.SSLContext:
    # Costs 20 ms and 1 MB, so one per process; made on first use and therefore after the fork.
    return ssl.create_default_context()


def _decoded(response: httpx.Response, bounds: Bounds, clock: Callable[[], float]) -> Iterator[bytes]:
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise StoreIncomplete("The store packs its answer in a way that was not asked for.")
    inflater = Inflater(bounds.body_bytes) if encoding in ("gzip", "x-gzip") else None
    began, wire = clock(), 0
    for chunk in response.iter_raw():
        wire += len(chunk)
        taken_s = clock() - began
        if wire > bounds.wire_bytes or (inflater is None and wire > bounds.body_bytes):
            raise Bomb
        if taken_s > bounds.total_s or (taken_s > READ_S and wire < bounds.min_bytes_per_s * taken_s):
            raise Transient("The store sends too slowly.")
        if inflater is None:
            yield chunk
            continue
        try:
            yield from inflater.feed(chunk)
        except BrokenGzip:
            raise StoreIncomplete("The store's packed answer is damaged.") from None
    if inflater is not None and wire:
        try:
            yield from inflater.finish()
        except BrokenGzip:
            raise StoreIncomplete("The store's packed answer ends too early.") from None
    # h11 has counted the bytes on a real connection; another transport may not have.
    announced = response.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > wire:
        raise StoreIncomplete(f"Only {wire} of {announced} announced bytes came.")


def _next_url(current: str, location: str) -> str:
    try:
        target = check_url(urljoin(current, location))
    except (BadInput, ValueError):
        raise StoreRefused(f"{display(current)} redirects to something that is not an http(s) address.") from None
    if urlsplit(current).scheme == "https" and urlsplit(target).scheme == "http":
        raise StoreRefused(f"{display(current)} redirects from https to http.")
    return target


def origin_of(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: who is answered by one may not hear what was meant for another."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _lower(response: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _date(response: httpx.Response) -> datetime | None:
    return http_date(response.headers.get("date"))


def http_date(text: str | None) -> datetime | None:
    """An HTTP date as an aware instant, or None for none and nonsense."""
    if not text:
        return None
    try:
        value = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _retry_after_s(answer: Answer) -> float | None:
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), 86_400))
    until = http_date(text)
    if until is None:
        return None
    # Both instants are the server's, so a wrong clock on either side cancels out.
    now = answer.date or datetime.now(UTC)
    return float(min(max((until - now).total_seconds(), 0.0), 86_400.0))
