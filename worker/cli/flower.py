"""``celery -A worker flower``: Flower's own command, never open to everybody.

Both Flower and this project have an entry point of this name, and which one Celery keeps is chance. So the command is
not replaced: Flower's own command object gets another callback, and both entry points lead to it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import wraps
from typing import Any

from flower.command import flower

from worker.cli.refusal import one_sentence
from worker.errors import BadInput

__all__ = ["flower"]

DEFAULTS = {
    "FLOWER_ADDRESS": "127.0.0.1",
    "FLOWER_TASKS_COLUMNS": "name,args,state,result,received,runtime,worker",
    # 10,000 tasks are some hours of a busy installation and about 50 MB.
    "FLOWER_MAX_TASKS": "10000",
}
"""Where the operator sets nothing. Flower reads the environment first and its command line after it."""


def _guarded(start: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(start)
    @one_sentence
    def guarded(*args: Any, **kwargs: Any) -> Any:
        from worker import logs
        from worker.daemons import prepare
        from worker.settings import read_settings

        settings = read_settings()
        if settings.flower_basic_auth is None:
            raise BadInput(
                "Flower shows every task and can stop them, so it does not start without FLOWER_BASIC_AUTH.",
                action="Set it to user:password.",
            )
        # The setting may come from .env, which Flower does not read.
        os.environ["FLOWER_BASIC_AUTH"] = settings.flower_basic_auth.get_secret_value()
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        logs.configure_daemon(settings.log_format, level=logging.WARNING, secrets=settings.secrets)
        prepare("flower", settings)
        return start(*args, **kwargs)

    return guarded


flower.callback = _guarded(flower.callback)
