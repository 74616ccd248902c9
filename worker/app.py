"""The Celery app: queues, routes, limits, and what happens when a daemon starts.

Importing this reads the settings and starts nothing. The broker is started by the first process that needs it.
"""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from celery import Celery, signals
from celery.app.amqp import AMQP
from celery.beat import Scheduler
from celery.bootsteps import StartStopStep
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning
from kombu import Connection, Exchange, Queue
from kombu.exceptions import OperationalError

from schedules.entries import entries
from worker import logs
from worker.broker import broker_url, ensure_broker
from worker.errors import BadInput, ShelfbeatError, Transient
from worker.settings import Settings, read_settings

log = structlog.get_logger(__name__)

QUEUES = ("control", "volatile", "delta", "full", "push", "settle")
"""One per kind of load, so that workers can be given to each of them: ``celery -A worker worker -Q volatile,push``."""

HARD_LIMIT_S = 300
"""A task that runs this long hangs: slices end within seconds, every call has its timeout. Pulls have longer."""

REDELIVER_S = 600
"""A message that nobody acknowledged comes again after this long: more than the hard limit plus the longest delay."""

CHILD_MEMORY_KIB = 180_000
"""A pool process above this is replaced after its task, so that none passes 200 MB."""


def configuration(settings: Settings) -> dict[str, Any]:
    """Everything that differs from Celery's defaults."""
    return {
        "broker_url": broker_url(settings),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A broker whose memory is full refuses even an acknowledgement; without this the worker would end.
        "broker_channel_error_retry": True,
        "broker_transport_options": {
            "visibility_timeout": REDELIVER_S,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            # Without these a connection whose other end vanished hangs for ever.
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
        "visibility_timeout": REDELIVER_S,
        # Results are rows of the database, where they outlive the broker.
        "result_backend": None,
        "result_expires": None,
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        "include": ["worker.tasks"],
        "task_queues": [Queue(name, Exchange(name), routing_key=name) for name in QUEUES],
        "task_default_queue": "control",
        "task_routes": {
            "worker.sync.pull": {"queue": "full"},
            "worker.sync.audit": {"queue": "full"},
            "worker.sync.push": {"queue": "push"},
            "worker.sync.settle": {"queue": "settle"},
        },
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_time_limit": HARD_LIMIT_S,
        "task_soft_time_limit": HARD_LIMIT_S - 30,
        "worker_prefetch_multiplier": 1,
        "worker_concurrency": 4,
        "worker_max_memory_per_child": CHILD_MEMORY_KIB,
        # Delayed messages wait in the worker's memory, about 5 KB each; at the limit it would take no others.
        "worker_eta_task_limit": 10_000,
        # A task that lost its broker goes on: cancelling a push in the middle of a call would make its outcome unknown.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # Flower lives on these. Without the sent event: it would make a series of metrics per sending process.
        "worker_send_task_events": True,
        "task_send_sent_event": False,
        "beat_scheduler": "worker.app:FixedScheduler",
        "beat_schedule": entries(),
        "timezone": "UTC",
        "enable_utc": True,
    }


class FixedScheduler(Scheduler):
    """Beat with the static entries and no file.

    When shops are due stands in the database, so beat has nothing to remember, and any number of beats may run in one
    directory without sharing a pickle.
    """

    def setup_schedule(self) -> None:
        self.merge_inplace(self.app.conf.beat_schedule)


class BrokerConnection(Connection):
    """Kombu's, which a worker can lose while it holds messages.

    Celery 5.7 throws a lost connection away (``collect``) and closes it after that. Kombu 5.7.0 then closes the channel
    once more, which gives its unacknowledged messages back through a transport that is gone, and the worker ends.
    """

    def collect(self, socket_timeout: float | None = None) -> None:
        try:
            super().collect(socket_timeout)
        finally:
            self._default_channel = None


class BrokerAmqp(AMQP):
    """Celery's, with connections that survive their broker."""

    Connection = BrokerConnection


class WorkerApp(Celery):
    """Celery, with the embedded broker running before anybody connects to it.

    So every command that needs it can be the first one, Celery's own ``call`` and ``inspect`` too.
    """

    amqp_cls = "worker.app:BrokerAmqp"

    def connection(self, *args: Any, **kwargs: Any) -> Connection:
        self._ensure_broker()
        return super().connection(*args, **kwargs)

    def connection_for_read(self, *args: Any, **kwargs: Any) -> Connection:
        self._ensure_broker()
        return super().connection_for_read(*args, **kwargs)

    def connection_for_write(self, *args: Any, **kwargs: Any) -> Connection:
        self._ensure_broker()
        return super().connection_for_write(*args, **kwargs)

    def _ensure_broker(self) -> None:
        settings = read_settings()
        # Not for ``celery --broker URL``, nor for a test with a broker of its own.
        if self.conf.broker_url != broker_url(settings):
            return
        try:
            ensure_broker(settings)
        except BadInput as error:
            # Celery's own commands show a traceback for anything but an exit.
            sys.exit(str(error))
        except (Transient, OSError) as error:
            # The connection will fail by itself, and whoever asked for it knows whether to try again.
            log.warning("broker.unavailable", reason=str(error))


app = WorkerApp("worker")
# Read here and not at first use, so that a wrong setting stops every command alike, with its sentence.
app.config_from_object(configuration(read_settings()))
logs.configure(read_settings().log_format, secrets=read_settings().secrets)


@signals.setup_logging.connect(weak=False)
def _set_up_logging(loglevel: int, **_: Any) -> None:
    settings = read_settings()
    logs.configure_daemon(settings.log_format, level=loglevel, secrets=settings.secrets)


@signals.celeryd_init.connect(weak=False)
def _prepare_worker(instance: Any, **_: Any) -> None:
    instance.emit_banner = _unless_nobody_reads(instance.emit_banner)
    # What makes root dangerous to Celery are pickled messages, and we accept JSON only.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    # Announces another default for a setting that we set.
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
    _prepare("worker", schema=True)


def _unless_nobody_reads(say: Callable[[], None]) -> Callable[[], None]:
    """Lines that cannot be written are dropped by logging; the banner is printed, and would end the worker."""

    def saying() -> None:
        with suppress(OSError):
            say()

    return saying


@signals.worker_shutdown.connect(weak=False)
def _sign_off(sender: Any, **_: Any) -> None:
    # Imported here: every command imports the app, and only daemons need the database for it.
    from worker.daemons import sign_off  # noqa: PLC0415

    sign_off(sender.hostname, read_settings())


@signals.beat_init.connect(weak=False)
def _prepare_beat(**_: Any) -> None:
    _prepare("beat")


@signals.worker_process_init.connect(weak=False)
def _calm_collector(**_: Any) -> None:
    # A slice makes tens of thousands of tuples that no cycle holds. By default each 700 of them have the collector
    # look, now and then at everything that was imported: a fifth of the time of a push.
    gc.freeze()
    gc.set_threshold(50_000)


class Sweep(StartStopStep):
    """Whatever lies waiting goes on whenever a worker has found its broker, also where no beat runs.

    Delayed messages lie in the memory of the worker that took them. When that one dies, or loses its broker, they come
    back after REDELIVER_S only.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Any) -> None:
        try:
            app.send_task("worker.sync.recover", queue="control", expires=60)
        except OperationalError as error:
            # The broker is gone again, and comes with another start of this step.
            log.warning("broker.unavailable", reason=str(error))


app.steps["consumer"].add(Sweep)


def _prepare(kind: str, *, schema: bool = False) -> None:
    # Imported here: every command imports the app, and only daemons need the database for it.
    from worker.daemons import prepare  # noqa: PLC0415

    try:
        prepare(kind, read_settings(), schema=schema)
    except ShelfbeatError as error:
        # Celery swallows exceptions of signal handlers, and would start without what it needs.
        sys.exit(str(error))
