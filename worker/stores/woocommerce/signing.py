"""How a request to WooCommerce proves who sends it.

Over https the two halves of the key are user name and password (Basic). Over plain http WooCommerce takes nothing
but a signature: OAuth 1.0a (RFC 5849) without a token, "one-legged", with HMAC-SHA256 (``WC_REST_Authentication``).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Key:
    """A REST API key. ``consumer`` (``ck_…``) names it, ``secret`` (``cs_…``) proves it."""

    consumer: str = field(repr=False)
    secret: str = field(repr=False)

    @classmethod
    def of(cls, text: str) -> Key:
        """Read ``ck_…:cs_…``."""
        consumer, _, secret = text.partition(":")
        return cls(consumer, secret)

    def basic(self) -> str:
        """The value of the header ``Authorization`` over https."""
        return "Basic " + base64.b64encode(f"{self.consumer}:{self.secret}".encode()).decode()


class Signer:
    """Signs GET requests over http. WooCommerce refuses a time that is 15 minutes off its own, and a nonce used twice.

    Args:
        clock: Seconds since 1970.
        nonce: Text that is new at every call.
    """

    def __init__(
        self,
        key: Key,
        clock: Callable[[], float] = time.time,
        nonce: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._key, self._clock, self._nonce = key, clock, nonce

    def header(self, url: str, params: Mapping[str, str]) -> str:
        """The value of the header ``Authorization``: the key's name stays out of the URL, which servers log."""
        oauth = {
            "oauth_consumer_key": self._key.consumer,
            "oauth_nonce": self._nonce(),
            "oauth_signature_method": "HMAC-SHA256",
            "oauth_timestamp": str(int(self._clock())),
            "oauth_version": "1.0",
        }
        base = base_string("GET", url, [*params.items(), *oauth.items()])
        digest = hmac.new(f"{_encode(self._key.secret)}&".encode(), base.encode(), hashlib.sha256).digest()
        signed = {**oauth, "oauth_signature": base64.b64encode(digest).decode()}
        return "OAuth " + ", ".join(f'{name}="{_encode(value)}"' for name, value in signed.items())


def base_string(method: str, url: str, params: Iterable[tuple[str, str]]) -> str:
    """What is signed (RFC 5849, 3.4.1): method, address without query, and all parameters in order."""
    parts = urlsplit(url)
    port = parts.port if parts.port != _DEFAULT_PORTS.get(parts.scheme) else None
    place = f"{parts.scheme}://{parts.hostname}{f':{port}' if port else ''}{parts.path}"
    pairs = sorted((_encode(name), _encode(value)) for name, value in params)
    return "&".join((method, _encode(place), _encode("&".join(f"{name}={value}" for name, value in pairs))))


def _encode(text: str) -> str:
    return quote(text, safe="")  # leaves letters, digits and -._~ as RFC 5849, 3.6 has it
