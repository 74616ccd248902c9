"""The parameters of a Graph call, in the three encodings that Meta's own clients use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from worker.sandbox.answers import GraphRefusal, wrong_parameter
from worker.sandbox.wire import Request

_MOST_PARAMETERS = 50
_JSON_TEXTS = ("requests", "allow_upsert")
_RETIRED = ("pretty", "debug", "__debug__", "date_format")


@dataclass(slots=True)
class Parameters:
    """``values`` are without token, proof and locale. ``encoding`` is query, form, multipart or json."""

    encoding: str
    values: dict[str, Any]
    locale: str | None
    token: str | None = field(repr=False)
    proof: str | None = field(repr=False)


def parameters(request: Request) -> Parameters:
    """Read query and body. Raises ``GraphRefusal`` (#100) for what cannot be read and for what Meta has retired."""
    if "if-none-match" in request.headers:
        raise GraphRefusal(100, "The If-None-Match request header is deprecated in v26.0+", prefixed=False)
    query = _flat(_decoded(request.query.encode()))
    encoding, body = _body(request) if request.method == "POST" and request.size_bytes else ("query", {})
    for name in query.keys() & body.keys():
        raise wrong_parameter(name, "is given twice")
    values = {**query, **body}
    if encoding != "json":
        for name in values.keys() & set(_JSON_TEXTS):
            values[name] = _json(name, values[name].encode())
    _refuse_retired(values)
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if encoding == "json":
        for name in body.keys() & {"access_token", "appsecret_proof"}:
            # The documentation names the query, form fields and (for the token) the header.
            raise wrong_parameter(name, "must be sent in the query or as a form field, not in a JSON body")
    token = values.pop("access_token", None) or (bearer.strip() if scheme.lower() == "bearer" else None)
    proof = values.pop("appsecret_proof", None)
    return Parameters(encoding, values, values.pop("locale", None), token, proof)


def _refuse_retired(values: dict[str, Any]) -> None:
    if "ids" in values:
        raise GraphRefusal(100, "The ids query parameter is deprecated in v26.0+", status=500, prefixed=False)
    for name in _RETIRED:
        if name in values:
            raise GraphRefusal(100, f"The {name} parameter is deprecated in v26.0+", prefixed=False)


def _body(request: Request) -> tuple[str, dict[str, Any]]:
    if request.headers.get("content-encoding", "identity") != "identity":
        raise GraphRefusal(100, "The sandbox takes no compressed bodies: Meta documents none")
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "application/json":
        body = _json("body", request.body)
        if not isinstance(body, dict):
            raise GraphRefusal(100, "The body must be a JSON object")
        return "json", body
    if content_type == "application/x-www-form-urlencoded":
        return "form", _flat(_decoded(request.body))
    if content_type == "multipart/form-data":
        return "multipart", _flat(_parts(request))
    raise GraphRefusal(100, "The body must be JSON, a form or multipart/form-data, and say so in Content-Type")


def _json(name: str, text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise GraphRefusal(100, f"Param {name} must be valid JSON") from None


def _decoded(encoded: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            encoded.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(encoded),
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        raise GraphRefusal(100, "The parameters are not a well-formed form of UTF-8 texts") from None


def _parts(request: Request) -> Iterable[tuple[str, str]]:
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode("latin-1")
    message = BytesParser(EmailMessage, policy=HTTP).parsebytes(head + request.body)
    for part in message.iter_parts() if message.is_multipart() else ():
        name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(content, bytes):
            raise GraphRefusal(100, "A part of the multipart body has no name")
        try:
            yield name, content.decode()
        except UnicodeDecodeError:
            raise wrong_parameter(name[:100], "must be UTF-8") from None


def _flat(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in pairs:
        if name in flat:
            raise wrong_parameter(name[:100], "is given twice")
        flat[name] = value
    return flat
