"""Shelfbeat: keeps merchants' Meta catalogs equal to their stores."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    # ``celery -A worker`` looks for an attribute ``celery`` here. It is made on demand, so that importing
    # the pure parts (``worker.items``) starts neither Celery nor the settings.
    if name == "celery":
        from worker.app import app

        return app
    raise AttributeError(name)
