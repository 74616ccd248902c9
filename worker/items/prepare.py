"""Normalise one item and check it: what a store says about it -> what Meta is sent, or why not.

Pure and total: no clock, no I/O, and no input makes it raise. A required field that the store does not give is never
invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from worker.items.columns import gather
from worker.items.encoding import decode, encode
from worker.items.fields import CONTENT, FIELDS, STATUS, Half
from worker.items.findings import Finding, shown
from worker.items.fingerprint import half_fp
from worker.items.kinds import NORMALISERS
from worker.items.text import without_surrogates
from worker.items.values import Findings, chosen
from worker.items.volatile import prices_and_stock

ID_CHARS = 100


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """One item, ready to compare and to send.

    Attributes:
        content_fp, volatile_fp: Fingerprints of the two halves; signed 64-bit, never 0.
        content, volatile: Encoded halves; of a half that is not ok, what of it is valid.
        content_ok, volatile_ok: Whether that half can be sent.
        archived: The store hides the item. Then only its id and status are sent, so the rules have nothing to say.
        band: Whether it can be bought, and the size of its price; see ``items.band``.
    """

    retailer_id: str
    content_fp: int
    volatile_fp: int
    content: bytes
    volatile: bytes
    content_ok: bool
    volatile_ok: bool
    archived: bool
    band: int
    findings: tuple[Finding, ...]


class PreparedVolatile(msgspec.Struct, frozen=True, gc=False):
    """The volatile half of one item; as in ``Prepared``. The id is judged with the content, here it only has to fit."""

    retailer_id: str
    volatile_fp: int
    volatile: bytes
    volatile_ok: bool
    band: int
    findings: tuple[Finding, ...]


_CONTENT = {row.name: (row, NORMALISERS[row.kind]) for row in CONTENT}
_REQUIRED = tuple(row.name for row in CONTENT if row.required)
_MISSING = {
    "title": "Give the product a name.",
    "description": "Give the product a description.",
    "condition": "Give a condition: new, refurbished or used.",
    "link": "Give the address of the product's page.",
    "image": "Give the product a picture.",
    "brand": "Give a brand, or a gtin or mpn in its place.",
}


def prepare(retailer_id: str, fields: Mapping[str, Any], currency: str | None) -> Prepared:
    """Normalise, check and fingerprint a whole item.

    Args:
        retailer_id: The item's id at Meta; an ``id`` among the fields is not read.
        fields: Values as ``stores.contract.Fields`` describes them; unknown names are ignored.
        currency: ISO 4217 code for amounts that name none; None: such an amount is an error.
    """
    raw = gather(fields)
    findings: Findings = []
    values: dict[str, Any] = {}
    for name, value in raw.items():
        row = _CONTENT.get(name)
        if row is not None:
            normal = row[1](row[0], value, findings)
            if normal is not None:
                values[name] = normal
    if values.get("item_group_id") == retailer_id:
        del values["item_group_id"]
        message = f"The item_group_id {shown(retailer_id)} is the item's own id and is left out."
        action = "Give variants of one product a common item_group_id that is no item's id."
        findings.append(Finding("item_group_id.equals_id", "warning", message, action))
    archived = "status" in raw and _archived(raw["status"], findings)
    _check_required(raw, values, findings)
    id_ok = _check_id(retailer_id, findings)
    content = _encoded("content", values, findings)
    volatile_values, volatile_ok, band = prices_and_stock(raw, currency, findings)
    volatile = _encoded("volatile", volatile_values, findings)
    content_ok = id_ok
    if findings:
        content_ok = not any(found.severity == "error" and found.half == "content" for found in findings)
        if archived:
            findings = [found for found in findings if found.code.startswith("id.")]
            content_ok = volatile_ok = True
    return Prepared(
        retailer_id,
        half_fp(content),
        half_fp(volatile),
        content,
        volatile,
        content_ok and id_ok,
        volatile_ok and id_ok,
        archived,
        band,
        _sorted(findings) if findings else (),
    )


def prepare_volatile(retailer_id: str, fields: Mapping[str, Any], currency: str | None) -> PreparedVolatile:
    """The volatile half alone, equal to what ``prepare`` makes of the same fields."""
    findings: Findings = []
    values, ok, band = prices_and_stock(gather(fields), currency, findings)
    volatile = _encoded("volatile", values, findings)
    ok = ok and _check_id(retailer_id, [])
    return PreparedVolatile(retailer_id, half_fp(volatile), volatile, ok, band, _sorted(findings) if findings else ())


def sold_out(prepared: Prepared | PreparedVolatile) -> tuple[int, bytes]:
    """What is sent for an item that Meta has and whose price or availability became invalid.

    Returns:
        Fingerprint and encoded half: availability ``out of stock`` and whatever else of the half is valid.
    """
    half = encode("volatile", decode(prepared.volatile) | {"availability": "out of stock"})
    return half_fp(half), half


def _archived(value: Any, findings: Findings) -> bool:
    status = chosen(STATUS, value)
    if status is None and not (isinstance(value, str) and not value.strip()):
        message = f"The status {shown(value)} is not known, so the item is shown."
        findings.append(Finding("status.invalid", "warning", message, "Use active or archived."))
    return status == "archived"


def _check_required(raw: Mapping[str, Any], values: Mapping[str, Any], findings: Findings) -> None:
    for name in _REQUIRED:
        if name not in values and not any(found.code.startswith(name + ".") for found in findings):
            findings.append(_missing(name))
    if "image_link" not in values and "image" not in values:
        if "image_link" not in raw and "image" not in raw:
            findings.append(_missing("image"))
        else:
            # One cause, one finding: the warnings about the single addresses say the same.
            findings[:] = [found for found in findings if found.code not in ("image.invalid", "image_link.invalid")]
            given = raw.get("image_link", raw.get("image"))
            message = f"The picture {shown(given)} has no complete http or https address."
            findings.append(Finding("image.invalid", "error", message, "Give the whole address of the picture."))
    if "brand" not in values and "gtin" not in values and "mpn" not in values:
        findings.append(_missing("brand"))


def _missing(name: str) -> Finding:
    message = "The item has no brand, gtin or mpn." if name == "brand" else f"The item has no {name}."
    return Finding(f"{name}.missing", "error", message, _MISSING[name])


def _check_id(retailer_id: str, findings: Findings) -> bool:
    if not retailer_id:
        findings.append(Finding("id.missing", "error", "The item has no id.", "Give every item a lasting id."))
    elif len(retailer_id) > ID_CHARS:
        message = f"The id {shown(retailer_id)} has more than {ID_CHARS} characters."
        findings.append(Finding("id.too_long", "error", message, f"Shorten it to {ID_CHARS} characters."))
    elif not retailer_id.isascii() and without_surrogates(retailer_id) != retailer_id:
        message = f"The id {shown(without_surrogates(retailer_id))} holds bytes that are no text."
        findings.append(Finding("id.invalid", "error", message, "Write the id in UTF-8."))
    else:
        return True
    return False


def _encoded(half: Half, values: dict[str, Any], findings: Findings) -> bytes:
    try:
        return encode(half, values)
    except UnicodeEncodeError:
        # Rare enough that looking at every text of every item for it would be a waste.
        for name, value in values.items():
            values[name] = _scrubbed(value)
            if values[name] != value:
                message = f"The {name} holds bytes that are no text; they were replaced."
                action = f"Write {name} in UTF-8."
                findings.append(Finding(f"{name}.not_utf8", "warning", message, action, half=FIELDS[name].half))
        return encode(half, values)


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, list):
        return [_scrubbed(part) for part in value]
    if isinstance(value, dict):
        return {_scrubbed(key): _scrubbed(part) for key, part in value.items()}
    return value


def _sorted(findings: Findings) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda found: found.code))
