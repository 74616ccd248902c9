"""Shelfbeat: keeps merchants' Meta catalogs equal to their stores."""

from __future__ import annotations

import sys
from typing import Any


def __getattr__(name: str) -> Any:
    # ``celery -A worker`` looks for an attribute ``celery`` here. It is made on demand, so that importing
    # the pure parts (``worker.items``) starts neither Celery nor the settings.
    if name == "celery":
        from worker.errors import BadInput

        try:
            from worker.app import app
        except BadInput as error:
            # A wrong setting. Celery would wrap anything but an exit into a traceback, and which command was typed is
            # not known yet.
            if "--json" in sys.argv:
                from worker.cli.output import show_json

                show_json({"error": str(error)})
            sys.exit(str(error))
        return app
    raise AttributeError(name)
