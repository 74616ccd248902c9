"""Log lines on stderr: structlog events and Celery's own lines in one shape, without secrets.

An event has a constant name and its ids as fields. ``LOG_FORMAT`` decides between text for people and JSON lines.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, Literal

import structlog
from structlog.typing import Processor

# What a token looks like, wherever it turns up: in a message, a field, a traceback.
_SECRET = re.compile(
    r"EAA[0-9A-Za-z]{8,}"
    r"|(?<=Bearer )[^\s\"',;]+"
    r"|(?<=Basic )[A-Za-z0-9+/=]{8,}"
    r"|(?<=access_token=)[^\s\"'&,;]+"
    r"|(?<=appsecret_proof=)[^\s\"'&,;]+"
    r"|(?<=\baccess_token\": \")[^\"]+"
    r"|(?<=://)[^\s/@\"']+:[^\s/@\"']+(?=@)"
)
_SECRET_FIELDS = frozenset({"access_token", "appsecret_proof", "authorization", "password", "secret", "token"})
_HIDDEN = "[secret]"

# These write a line per request, some with the address.
_CHATTY = ("httpx", "httpcore", "alembic", "tornado.access")

_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


class Redact:
    """Takes secrets out of whatever is about to be written.

    Args:
        known: Secrets in clear text, for those that have no recognisable form.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        # A longer secret may contain a shorter one.
        self._known = sorted({secret for secret in known if secret}, key=len, reverse=True)

    def __call__(self, _logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for key, value in event.items():
            if key.lower() in _SECRET_FIELDS and value:
                event[key] = _HIDDEN
            elif not key.startswith("_"):
                event[key] = self._clean(value)
        return event

    def text(self, text: str) -> str:
        for secret in self._known:
            text = text.replace(secret, _HIDDEN)
        return _SECRET.sub(_HIDDEN, text)

    def _clean(self, value: Any) -> Any:
        if isinstance(value, bool | int | float | None):
            return value
        if isinstance(value, dict):
            return {
                key: _HIDDEN if str(key).lower() in _SECRET_FIELDS else self._clean(inner)
                for key, inner in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._clean(inner) for inner in value]
        return self.text(str(value))


class _Handler(logging.StreamHandler[Any]):
    """Marks the handler as ours, so that configuring twice does not double every line."""


def configure(shape: Literal["console", "json"], *, level: int = logging.WARNING, secrets: Iterable[str] = ()) -> None:
    """Send everything to stderr in one shape. May be called again; the last call counts.

    Args:
        level: From which on lines are written.
        secrets: Secrets of the settings in clear text.
    """
    redact = Redact(secrets)
    structlog.configure(
        processors=[
            *_SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if shape == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    handler = _Handler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Before the redaction, so that it sees the traceback as text.
                structlog.processors.format_exc_info,
                redact,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def configure_daemon(shape: Literal["console", "json"], *, level: int, secrets: Iterable[str] = ()) -> None:
    """As ``configure``, and what we and the daemons say about themselves shows from INFO on.

    Celery's own lines about every single task stay at ``level``: dispatch alone would write two every few seconds.
    """
    configure(shape, level=level, secrets=secrets)
    for name in ("worker", "celery.apps.worker", "flower.command"):
        logging.getLogger(name).setLevel(min(level, logging.INFO))
    # Flower complains about every question that a worker which is still starting does not answer.
    logging.getLogger("flower.inspector").setLevel(logging.ERROR)
