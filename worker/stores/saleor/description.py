"""Saleor's rich text as HTML: a JSON text of editor.js, a list of blocks."""

from __future__ import annotations

from typing import Any

from worker.stores.payload import decode

_DEPTH = 8


def html_of(rich: Any) -> str:
    """The blocks that are text, each a paragraph; "" for none. What is no such JSON is taken for plain text."""
    if not isinstance(rich, str) or not rich.strip():
        return ""
    try:
        document = decode(rich.encode())
    except ValueError:
        return rich
    blocks = document.get("blocks") if isinstance(document, dict) else None
    if not isinstance(blocks, list):
        return ""
    paragraphs = [line for block in blocks if isinstance(block, dict) for line in _lines(block.get("data"), _DEPTH)]
    return "".join(f"<p>{line}</p>" for line in paragraphs)


def _lines(data: Any, depth: int) -> list[str]:
    """Text of a paragraph, header or quote; items of a list, which may hold lists (editor.js, "Nested List")."""
    if isinstance(data, str):
        return [data] if data.strip() else []
    if not isinstance(data, dict) or not depth:
        return []
    own = next((value for name in ("text", "content") if isinstance(value := data.get(name), str)), "")
    lines = [own] if own.strip() else []
    items = data.get("items")
    for item in items if isinstance(items, list) else ():
        lines += _lines(item, depth - 1)
    return lines
