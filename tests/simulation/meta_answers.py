"""Let Meta answer otherwise than it would."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx

from tests.simulation.seams import Answer
from tests.simulation.world import World


def refusal(code: int, message: str) -> httpx.Response:
    error = {"message": f"(#{code}) {message}", "type": "OAuthException", "code": code, "fbtrace_id": "A1"}
    return httpx.Response(400, json={"error": error})


def answering(world: World, judge: Callable[[list[str]], Answer]) -> list[list[str]]:
    """Let ``judge`` answer each call by the ids it carries (None: as Meta would). Returns the ids of every call."""
    calls: list[list[str]] = []

    def on_call(edge: str, request: httpx.Request) -> Answer:
        if edge != "items_batch":
            return None
        calls.append([record["data"]["id"] for record in json.loads(request.content)["requests"]])
        return judge(calls[-1])

    world.on_call = on_call
    return calls
