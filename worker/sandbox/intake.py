"""What ``items_batch`` checks before it answers: the shape of the call, duplicates, unknown fields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from worker.sandbox.answers import GraphRefusal, known_parameters, wrong_parameter
from worker.sandbox.batches import Record
from worker.sandbox.item_fields import FIELDS, missing, missing_fields

MAX_REQUESTS = 5000


def checked_requests(payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The requests of a call whose shape is right. Raises ``GraphRefusal`` (#100) for the whole call otherwise."""
    known_parameters(payload, "item_type", "requests", "allow_upsert", "item_sub_type", "version")
    if "item_type" not in payload:
        raise GraphRefusal(100, "The parameter item_type is required")
    if payload["item_type"] != "PRODUCT_ITEM":
        raise wrong_parameter("item_type", "must be PRODUCT_ITEM: the sandbox knows no other vertical")
    if payload.get("item_sub_type", "EMPTY") != "EMPTY":
        raise wrong_parameter("item_sub_type", "must be EMPTY: the sandbox knows no category-specific fields")
    if "requests" not in payload:
        raise GraphRefusal(100, "The parameter requests is required")
    requests = payload["requests"]
    if not isinstance(requests, list):
        raise wrong_parameter("requests", "must be an array")
    if not requests:
        raise wrong_parameter("requests", "must not be empty")
    if len(requests) > MAX_REQUESTS:
        raise wrong_parameter("requests", f"must hold at most {MAX_REQUESTS} elements")
    for position, request in enumerate(requests):
        if problem := _shape_problem(request):
            raise wrong_parameter(f"requests[{position}]", problem)
    return requests


def _shape_problem(request: object) -> str | None:
    if not isinstance(request, Mapping) or request.keys() != {"method", "data"}:
        return "must be an object of method and data"
    if request["method"] not in ("CREATE", "UPDATE", "DELETE"):
        return "must have the method CREATE, UPDATE or DELETE"
    data = request["data"]
    if not isinstance(data, Mapping):
        return "must have an object as data"
    retailer_id = data.get("id")
    return None if isinstance(retailer_id, str) and retailer_id else "must name its item in data.id"


def accepted_records(
    requests: list[Mapping[str, Any]], refused: Mapping[str, str]
) -> tuple[list[Record], list[dict[str, Any]]]:
    """The records that go on under the handle, in the order sent, and ``validation_status``.

    Every copy of a repeated id is refused. Meta applies one of them or none, nobody knows which.

    Args:
        refused: Message per id that is to be refused whatever it holds.
    """
    copies = Counter(request["data"]["id"] for request in requests)
    errors: dict[str, list[str]] = {}
    warnings: dict[str, list[str]] = {}
    records: list[Record] = []
    for line, request in enumerate(requests, start=1):
        method, data = request["method"], request["data"]
        retailer_id = data["id"]
        if copies[retailer_id] > 1:
            errors[retailer_id] = [f"Duplicate retailer_id in batch api call - {retailer_id}."]
            continue
        if not FIELDS.keys() >= data.keys():
            unknown = [name for name in data if name not in FIELDS and name != "id"]
            if unknown and method != "DELETE":
                warnings[retailer_id] = [_unrecognised(retailer_id, name) for name in unknown]
        found = [refused[retailer_id]] if retailer_id in refused else _method_problems(method, data)
        if found:
            errors[retailer_id] = found
        else:
            records.append(Record(line, method, data))
    return records, [_finding(retailer_id, errors, warnings) for retailer_id in {**errors, **warnings}]


def _method_problems(method: str, data: Mapping[str, Any]) -> list[str]:
    if method == "CREATE":
        given = {name: value for name, value in data.items() if value not in (None, "")}
        return [missing(name) for name in missing_fields(given)]
    if method == "DELETE" and len(data) > 1:
        return ["Invalid value: DELETE takes the identifying field only."]
    return []


def _unrecognised(retailer_id: str, name: str) -> str:
    return f"Unrecognised field: A request for item {retailer_id} contains unrecognised field: '{name}'"


def _finding(retailer_id: str, errors: Mapping[str, list[str]], warnings: Mapping[str, list[str]]) -> dict[str, Any]:
    finding: dict[str, Any] = {"retailer_id": retailer_id}
    for key, messages in (("errors", errors.get(retailer_id)), ("warnings", warnings.get(retailer_id))):
        if messages:
            finding[key] = [{"message": message} for message in messages]
    return finding
