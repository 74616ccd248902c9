"""Which function normalises which kind of field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from worker.items import structures, values
from worker.items.fields import Field, Kind
from worker.items.values import Findings

NORMALISERS: Mapping[Kind, Callable[[Field, Any, Findings], Any]] = {
    "title": values.title,
    "line": values.line,
    "paragraphs": values.paragraphs,
    "verbatim": values.verbatim,
    "url": values.url,
    "urls": structures.urls,
    "images": structures.media,
    "videos": structures.media,
    "choice": values.choice,
    "labels": structures.labels,
    "integer": values.integer,
    "number": values.number,
    "gtin": values.gtin,
    "date": values.day,
    "object": structures.json_object,
    "shipping": structures.shipping,
    "variant": structures.variant,
}
