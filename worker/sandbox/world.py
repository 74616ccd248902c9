"""Everything one sandbox holds, behind one lock."""

from __future__ import annotations

import dataclasses
import random
import threading
import time
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from worker.sandbox.answers import LANGUAGE
from worker.sandbox.calls import CallLog
from worker.sandbox.catalog import CatalogModel, ModelSettings
from worker.sandbox.faults import Switchboard
from worker.sandbox.quota import Kind, Quotas, QuotaSettings
from worker.sandbox.store import SampleStore
from worker.sandbox.tokens import Tokens


class Settings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What ``/_sandbox/settings`` shows and changes.

    The first seven are explained at ``ModelSettings``, those named quota at ``QuotaSettings``.

    Attributes:
        known_tokens_only: Refuse tokens that were not announced at ``/_sandbox/tokens``.
        app_id: What ``debug_token`` says.
        app_secret: Set, every call must carry the right ``appsecret_proof``. Never shown.
        default_locale: The language of messages where a call names none.
        record_cap: How many request records the call log keeps.
    """

    latency_s: Annotated[float, Meta(ge=0)] = 0.2
    latency_spread: Annotated[float, Meta(ge=0, le=1)] = 0.5
    error_sample: Annotated[int, Meta(ge=0)] = 10
    handle_lifetime_s: Annotated[float, Meta(gt=0)] = 86_400.0
    max_page: Annotated[int, Meta(ge=1)] = 1000
    catalogs: list[str] | None = None
    capitalised_states: bool = False
    quota_enforced: bool = False
    quota_visits: int = 1
    quota_calls: dict[Kind, Annotated[int, Meta(ge=1)]] = {}
    quota_window_s: Annotated[float, Meta(gt=0)] | None = None
    usage_percent: int | None = None
    known_tokens_only: bool = False
    app_id: str = "1000000000000001"
    app_secret: str | None = None
    default_locale: str = LANGUAGE
    record_cap: Annotated[int, Meta(ge=0)] = 20_000


class World:
    """State shared by all connections. Take ``lock`` around any use of the parts.

    Args:
        seed: Decides the order in which Meta applies items, and its ids.
        sample_items: About how many items the larger sample feed has.
    """

    def __init__(self, settings: Settings, seed: int, sample_items: int) -> None:
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self._first, self._seed, self._sample_items = msgspec.structs.replace(settings), seed, sample_items
        self.reset()

    def reset(self) -> None:
        """As at the start: no items, faults, calls or changed settings."""
        self.settings = msgspec.structs.replace(self._first)
        self.model = CatalogModel(time.monotonic, random.Random(self._seed))
        self.quotas = Quotas(time.monotonic, QuotaSettings())
        self.tokens = Tokens()
        self.faults = Switchboard()
        self.calls = CallLog()
        self.store = SampleStore(self._seed, self._sample_items)
        self._hand_out()

    def change_settings(self, changes: dict[str, Any]) -> None:
        """Raises ``msgspec.ValidationError`` with a sentence, and then changes nothing."""
        merged = {**msgspec.to_builtins(self.settings), **changes}
        self.settings = msgspec.convert(merged, Settings)
        self._hand_out()

    def shown_settings(self) -> dict[str, Any]:
        shown: dict[str, Any] = msgspec.to_builtins(self.settings)
        return {**shown, "app_secret": None if self.settings.app_secret is None else "(set)"}

    def _hand_out(self) -> None:
        now = self.settings
        names = [field.name for field in dataclasses.fields(ModelSettings)]
        self.model.settings = ModelSettings(**{name: getattr(now, name) for name in names})
        self.quotas.settings = QuotaSettings(
            now.quota_enforced, now.quota_visits, now.quota_calls, now.quota_window_s, now.usage_percent
        )
        self.tokens.known_only = now.known_tokens_only
        self.calls.record_cap = now.record_cap
