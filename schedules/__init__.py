"""When things happen: pure functions of expressions, rows and instants. The only place that knows croniter."""

from __future__ import annotations

from schedules.cadence import DEFAULTS, OFF, BadCadence, Cadence, next_fire, parse
from schedules.due import PROMISE, Move, Slot, due, met
from schedules.entries import entries

__all__ = [
    "DEFAULTS",
    "OFF",
    "PROMISE",
    "BadCadence",
    "Cadence",
    "Move",
    "Slot",
    "due",
    "entries",
    "met",
    "next_fire",
    "parse",
]
