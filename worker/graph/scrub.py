"""Take what looks like a credential out of text that came from outside."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_CHARS = 300

# Meta puts tokens into paging URLs and, now and then, into its sentences. A token starts with ``EAA``; app tokens
# are ``<app id>|<secret>``; a proof is 64 hexadecimal digits.
_TOKEN_LIKE = re.compile(
    r"EAA[0-9A-Za-z]{8,}"
    r"|\b\d{6,}\|[0-9A-Za-z_-]{16,}"
    r"|\b[0-9a-fA-F]{32,}\b"
    r"|(?:access_token|appsecret_proof|client_secret|input_token)\s*[=:]\s*[^\s&,;]+"
    r"|Bearer\s+[^\s,;]+",
    re.IGNORECASE,
)
_QUERY = re.compile(r"(https?://[^\s?\"']+)\?[^\s\"']+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def scrub(text: str, secrets: Iterable[str] = (), *, max_chars: int = MAX_CHARS) -> str:
    """One line of at most ``max_chars`` characters without URL queries, token-like text or any of ``secrets``.

    Cuts last: half a token would no longer be recognised.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[secret]")
    text = _QUERY.sub(r"\1", text)
    text = _TOKEN_LIKE.sub("[secret]", text)
    text = _CONTROL.sub(" ", text).strip()
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"
