"""The calls we make. Nothing is retried here: the database decides when something goes again.

An answer is one of three: what was asked for, an error envelope (Meta took nothing), or neither. The third is
``OutcomeUnknown`` for a write, because the call may have been carried out, and ``Transient`` for a read.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Literal, NoReturn
from urllib.parse import quote, urlencode

import httpx
import msgspec

from worker.errors import OutcomeUnknown, ShelfbeatError, TokenRefused, Transient
from worker.graph import answers, errors
from worker.graph.answers import BatchAnswer, BatchStatus, Catalog, ProductPage
from worker.graph.scrub import scrub
from worker.graph.usage import Usage, usage

PRODUCT_FIELDS = (
    "id",
    "retailer_id",
    "status",
    "visibility",
    "availability",
    "price",
    "sale_price",
    "sale_price_start_date",
    "sale_price_end_date",
    "currency",
    "quantity_to_sell_on_facebook",
)

_CATALOG_FIELDS = ("id", "name", "vertical", "product_count")
_STATUS_FIELDS = ("handle", "status", "errors", "errors_total_count", "warnings", "ids_of_invalid_requests")

_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
# httpx counts each read alone: a byte every 50 s would hold a worker for hours.
_ANSWER_WITHIN_S = 120.0
_MAX_ANSWER_BYTES = 64_000_000
# At most ten threads of one process call at once; larger pools cost CPU in httpx.
_LIMITS = httpx.Limits(max_connections=10, max_keepalive_connections=10, keepalive_expiry=5.0)

# About a quarter of a megabyte of a batch goes to the socket at once.
_PIECE_RECORDS = 200

_HEADER_SAFE = re.compile(r"[!-~]+")

# With these, no byte of the request has left.
_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)


@dataclass(frozen=True)
class GraphConfig:
    """Where and how Meta is called.

    Attributes:
        base_url: Without version and without a slash at the end.
        version: ``v26.0``; the whole form, with its minor number.
        app_secret: With it every call carries ``appsecret_proof``.
        encoding: How batches travel: ``json`` as Meta's WooCommerce plugin sends them; ``form`` as its curl samples
            do, at many times the CPU and three times the bytes.
    """

    base_url: str = "https://graph.facebook.com"
    version: str = "v26.0"
    app_id: str | None = None
    app_secret: str | None = field(default=None, repr=False)
    encoding: Literal["json", "form"] = "json"


class Graph:
    """Meta's Graph API with one shop's token. Safe for use by several threads.

    All methods raise errors of ``worker.errors`` only. None of their texts holds the token, a query string or a body.

    Args:
        token: The shop's token in clear text; sent as a header, never in an address.
            One with spaces or unprintable characters raises ``TokenRefused`` at once.
        transport: For tests. Without it, all instances of a process share one pool of connections, made on first
            use, which is after the fork.
    """

    def __init__(self, config: GraphConfig, token: str, transport: httpx.BaseTransport | None = None) -> None:
        if not _HEADER_SAFE.fullmatch(token):
            # Found here, because httpx and the codec would quote it in their complaint.
            raise TokenRefused("The stored token is not one of Meta's.", action="Store a new one with 'shop token'.")
        self._config = config
        self._token = token
        self._own = None if transport is None else _open_client(transport)
        self._proof = (
            hmac.new(config.app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
            if config.app_secret
            else None
        )
        self._secrets = tuple(secret for secret in (token, config.app_secret, self._proof) if secret)

    def __repr__(self) -> str:
        return f"Graph({self._config.base_url!r}, {self._config.version!r})"

    def close(self) -> None:
        """Close what this instance alone holds; the process's shared connections stay open for the next shop."""
        if self._own is not None:
            self._own.close()

    def items_batch(self, catalog_id: str, records: Sequence[bytes], *, allow_upsert: bool) -> BatchAnswer:
        """Send records as ``items.compose`` made them, at least one, and learn whether Meta took them in.

        Any error but ``OutcomeUnknown`` means that nothing of the call was or will be carried out.
        """
        if not records:
            raise ValueError("a batch holds at least one record")
        with closing(self._batch_body(records, allow_upsert)) as body:
            request = self._request("POST", f"{_segment(catalog_id)}/items_batch", body=body)
            answer, used, trace = self._call(request, OutcomeUnknown)
        found = answers.batch_answer(answer, used, trace)
        if found is None:
            self._not_understood(OutcomeUnknown)
        return found

    def batch_status(self, catalog_id: str, handle: str) -> BatchStatus:
        """Ask what became of a batch. Raises ``HandleUnknown`` where Meta does not know the handle."""
        request = self._request(
            "GET",
            f"{_segment(catalog_id)}/check_batch_request_status",
            {"handle": handle, "load_ids_of_invalid_requests": "true", "fields": ",".join(_STATUS_FIELDS)},
        )
        answer, used, _ = self._call(
            request, Transient, lambda refusal: errors.unknown_handle(refusal, handle, self._secrets)
        )
        found = answers.batch_status(answer, used)
        if found is None:
            self._not_understood(Transient)
        return found

    def catalog(self, catalog_id: str) -> Catalog:
        """Read the catalog itself: the cheapest proof that token, permission and id are right."""
        request = self._request("GET", _segment(catalog_id), {"fields": ",".join(_CATALOG_FIELDS)})
        answer, _, _ = self._call(request, Transient)
        found = answers.catalog(answer)
        if found is None:
            self._not_understood(Transient)
        return found

    def products(
        self,
        catalog_id: str,
        after: str | None = None,
        limit: int = 500,
        fields: Sequence[str] = PRODUCT_FIELDS,
        *,
        retailer_ids: Sequence[str] | None = None,
    ) -> ProductPage:
        """Read one page of what the catalog holds; ``after`` is the ``after`` of the page before it.

        Args:
            retailer_ids: Only these items, and any whose ids differ from them in capitals alone: Meta's filters
                ignore case. They travel in the address, so there should be few. None: all.
        """
        params = {"fields": ",".join(fields), "limit": str(limit)}
        if retailer_ids is not None:
            params["filter"] = msgspec.json.encode({"retailer_id": {"is_any": list(retailer_ids)}}).decode()
        if after is not None:
            params["after"] = after
        answer, used, _ = self._call(self._request("GET", f"{_segment(catalog_id)}/products", params), Transient)
        found = answers.product_page(answer, after, used)
        if found is None:
            self._not_understood(Transient)
        return found

    def _batch_body(self, records: Sequence[bytes], allow_upsert: bool) -> _Body:
        params: dict[str, Any] = {"item_type": "PRODUCT_ITEM", "allow_upsert": allow_upsert, "locale": "en_US"}
        if self._config.encoding == "form":
            params["allow_upsert"] = "true" if allow_upsert else "false"
            params["requests"] = b"[" + b",".join(records) + b"]"
            return _Body("application/x-www-form-urlencoded", [urlencode(params).encode()])
        head = msgspec.json.encode(params)[:-1] + b',"requests":['
        return _Body("application/json", records, head, b",", b"]}")

    def _request(
        self,
        method: Literal["GET", "POST"],
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        body: _Body | None = None,
    ) -> httpx.Request:
        headers = {"Authorization": f"Bearer {self._token}"}
        if body is not None:
            headers |= {"Content-Type": body.content_type, "Content-Length": str(body.size_bytes)}
        query = {} if params is None else {**params, "locale": "en_US"}
        if self._proof is not None:
            # Meta reads it as a query or form parameter; a member of a JSON body is not said to count.
            query["appsecret_proof"] = self._proof
        url = f"{self._config.base_url.rstrip('/')}/{self._config.version}/{path}"
        return self._client().build_request(method, url, params=query, content=body, headers=headers)

    def _call(
        self,
        request: httpx.Request,
        unknown: type[Transient],
        special: Callable[[errors.Refusal], ShelfbeatError | None] | None = None,
    ) -> tuple[Any, Usage | None, str]:
        """The decoded answer, the quota it mentions and Meta's trace id.

        Args:
            unknown: Raised where nobody can tell whether the call was carried out.
            special: Gives the error for a refusal that means something particular on this edge.
        """
        sent = _exchange(self._client(), request)
        if isinstance(sent, _Failure):
            # Raised here and not where it was caught: httpx's exceptions hold the request, with the token.
            where = f"Meta's Graph API at {request.url.host}"
            why = scrub(sent.reason, self._secrets)
            if sent.before_sending:
                raise Transient(f"{where} cannot be reached ({why}).", owner="meta")
            raise unknown(f"{where} did not answer completely ({why}).", owner="meta")
        headers, body = sent
        decoded = _decode(body)
        used = usage(headers)
        refusal = errors.refusal(decoded)
        if refusal is None:
            return decoded, used, headers.get("x-fb-trace-id", "")
        if decoded.get("handles"):
            raise unknown("Meta answered with a handle and with an error at once.", owner="meta")
        error = special(refusal) if special is not None else None
        if error is None:
            error = errors.translate(refusal, regain_s=used.regain_s if used else None, secrets=self._secrets)
        raise error

    def _not_understood(self, unknown: type[Transient]) -> NoReturn:
        raise unknown("Meta's answer is neither a result nor an error.", owner="meta")

    def _client(self) -> httpx.Client:
        return self._own if self._own is not None else _shared_client()


class _Body:
    """The body of a call, put together as it leaves.

    It is up to 28 MB and made of records that the pull encoded, so it is never held as a whole. httpx's requests end
    in reference cycles; once closed, this holds nothing that would wait there for the garbage collector.
    """

    def __init__(
        self, content_type: str, records: Sequence[bytes], head: bytes = b"", between: bytes = b"", tail: bytes = b""
    ) -> None:
        self.content_type = content_type
        self.size_bytes = len(head) + sum(map(len, records)) + len(between) * (len(records) - 1) + len(tail)
        self._records, self._head, self._between, self._tail = records, head, between, tail

    def __iter__(self) -> Iterator[bytes]:
        lead = self._head
        for start in range(0, len(self._records), _PIECE_RECORDS):
            yield lead + self._between.join(self._records[start : start + _PIECE_RECORDS])
            lead = self._between
        if self._tail:
            yield self._tail

    def close(self) -> None:
        self._records = ()


@dataclass(frozen=True, slots=True)
class _Failure:
    before_sending: bool
    reason: str


def _exchange(client: httpx.Client, request: httpx.Request) -> tuple[httpx.Headers, bytes] | _Failure:
    deadline = time.monotonic() + _ANSWER_WITHIN_S
    body = bytearray()
    try:
        response = client.send(request, stream=True)
        try:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > _MAX_ANSWER_BYTES:
                    return _Failure(False, "the answer is too large")
                if time.monotonic() > deadline:
                    return _Failure(False, "the answer takes too long")
        finally:
            response.close()
    except _NOT_SENT as error:
        return _Failure(True, str(error) or type(error).__name__)
    except httpx.HTTPError as error:
        return _Failure(False, str(error) or type(error).__name__)
    return response.headers, bytes(body)


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _segment(name: str) -> str:
    return quote(name, safe="")


def _shared_client() -> httpx.Client:
    return _client_of(os.getpid())


@functools.cache
def _client_of(_pid: int) -> httpx.Client:
    """Keyed by process: two that go on with one TLS connection after a fork corrupt it."""
    return _open_client(None)


def _open_client(transport: httpx.BaseTransport | None) -> httpx.Client:
    # At INFO httpx logs whole addresses, and those of reads hold the proof.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx.Client(
        transport=transport,
        # trust_env off: neither a proxy nor a .netrc nor a CA of the environment gets between a token and Meta.
        verify=httpx.create_ssl_context(trust_env=False) if transport is None else True,
        trust_env=False,
        follow_redirects=False,
        timeout=_TIMEOUT,
        limits=_LIMITS,
        # One shop's cookies must not travel with the next shop's token.
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        headers={"User-Agent": "shelfbeat", "Accept": "application/json", "Accept-Encoding": "gzip"},
    )
