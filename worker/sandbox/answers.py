"""Answers in the Graph API's shape: the error envelope, and texts in the language that was asked for."""

from __future__ import annotations

import base64
import random
from collections.abc import Mapping
from typing import Any

Answer = tuple[int, dict[str, Any]]
"""HTTP status and JSON body."""

TOO_MUCH_DATA = "Please reduce the amount of data you're asking for, then retry your request"
LANGUAGE = "en_US"


class GraphRefusal(Exception):
    """A whole call is refused: carries what goes into the error envelope.

    Args:
        code: Meta's error code.
        message: Without the ``(#code)`` prefix, which most but not all of Meta's messages carry.
        prefixed: Whether this message carries it.
        more: Optional members of the envelope: ``error_subcode``, ``is_transient``, ``error_data`` and so on.
    """

    def __init__(
        self,
        code: int,
        message: str,
        *,
        status: int = 400,
        kind: str = "OAuthException",
        prefixed: bool = True,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = f"(#{code}) {message}" if prefixed else message
        self.status = status
        self.kind = kind
        self.headers = dict(headers or {})
        self.more = more

    def answer(self, rng: random.Random, locale: str = LANGUAGE) -> Answer:
        error = {"message": localised(self.message, locale), "type": self.kind, "code": self.code, **self.more}
        return self.status, {"error": {**error, "fbtrace_id": trace_id(rng)}}


def no_such_object(object_id: str) -> GraphRefusal:
    """Also what Meta says when the object exists and the token may not see it."""
    return GraphRefusal(
        100,
        f"Unsupported request. Object with ID '{object_id}' does not exist, cannot be loaded due to missing "
        "permissions, or does not support this operation",
        kind="GraphMethodException",
        prefixed=False,
    )


def too_much_data() -> GraphRefusal:
    return GraphRefusal(1, TOO_MUCH_DATA, status=500, prefixed=False)


def wrong_parameter(name: str, why: str) -> GraphRefusal:
    return GraphRefusal(100, f"Param {name} {why}")


def trace_id(rng: random.Random) -> str:
    return "A" + base64.urlsafe_b64encode(rng.randbytes(8)).decode().rstrip("=")


def localised(message: str, locale: str) -> str:
    """The same text as Meta gives it to other locales: the label before the first colon stays, the rest does not."""
    if locale == LANGUAGE:
        return message
    label, colon, text = message.partition(":")
    return f"{label}: [{locale}]{text}" if colon else f"[{locale}] {message}"


def flag(params: Mapping[str, Any], name: str, default: bool) -> bool:
    """A boolean parameter, as JSON or as the text ``true`` / ``false``. Raises ``GraphRefusal`` for anything else."""
    value = params.get(name, default)
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise wrong_parameter(name, "must be a boolean")


def known_parameters(params: Mapping[str, Any], *known: str) -> None:
    """Refuse parameters that Meta's page for this call does not list: nobody knows what Meta would make of them."""
    for name in params:
        if name not in known:
            raise wrong_parameter(str(name)[:100], "is not a parameter of this call")
