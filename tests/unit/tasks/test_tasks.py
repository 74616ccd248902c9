"""Tasks: a use case called, its wake-ups sent, its progress shown."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import structlog
from celery.app.trace import build_tracer
from kombu.exceptions import OperationalError

from worker.app import app
from worker.errors import BadInput, Fenced, Transient
from worker.sync.context import Context, Wake
from worker.tasks import catalog, messages, running, slices


class Sent:
    """Stands where messages leave: keeps what would be sent, or fails like an absent broker."""

    def __init__(self, *, away=False):
        self.messages = []
        self.away = away

    def __call__(self, name, **options):
        if self.away:
            raise OperationalError("no broker")
        self.messages.append((name, options["args"], options["queue"], options["countdown"], options["argsrepr"]))


@pytest.fixture(autouse=True)
def _celery(monkeypatch):
    """The app without a broker: taking a connection from its pool would start one."""
    app.set_current()
    monkeypatch.setattr(app, "producer_or_acquire", nullcontext)


@pytest.fixture
def sent(monkeypatch):
    sent = Sent()
    monkeypatch.setattr(app, "send_task", sent)
    return sent


@pytest.fixture
def context(monkeypatch):
    """A context whose parts nobody may use."""
    context = Context(engine=None, open_store=None, sender=None, seed=None, monotonic=None, owner="test")
    monkeypatch.setattr(running, "process_context", lambda: context)
    return context


@pytest.fixture
def events(monkeypatch):
    events = []
    monkeypatch.setattr(
        running.SyncTask, "send_event", lambda self, kind, **fields: events.append((kind, fields["result"]))
    )
    return events


def test_a_wake_up_becomes_a_message_with_ids_only_and_a_readable_label(sent):
    wakes = [
        Wake("pull", "01JRUN", label="shop=acme volatile", job="volatile"),
        Wake("audit", "01JRUN", label="shop=acme audit", job="audit"),
        Wake("push", "7", label="shop=acme push"),
        Wake("settle", "7", delay_s=2.5),
    ]

    assert messages.enqueue(wakes) is True
    assert sent.messages == [
        ("worker.sync.pull", ["01JRUN"], "volatile", None, "shop=acme volatile"),
        ("worker.sync.audit", ["01JRUN"], "full", None, "shop=acme audit"),
        ("worker.sync.push", [7], "push", None, "shop=acme push"),
        ("worker.sync.settle", [7], "settle", 2.5, "7"),
    ]


@pytest.mark.fault("N1", "N3")
def test_a_broker_that_is_away_fails_nothing(monkeypatch):
    monkeypatch.setattr(app, "send_task", Sent(away=True))

    assert messages.enqueue([Wake("push", "7")]) is False


def test_a_task_calls_its_use_case_and_sends_what_follows(sent, context, events, monkeypatch):
    asked = []

    def push(given, shop_id):
        asked.append((given.engine, shop_id))
        given.progress("3000 items sent")
        return [Wake("settle", "7"), Wake("push", "7")]

    monkeypatch.setattr(slices.lane, "push", push)

    assert slices.push(7) == "3000 items sent; next: push settle"
    assert asked == [(None, 7)]
    assert events == [("task-progress", "3000 items sent")]
    assert [name for name, *_ in sent.messages] == ["worker.sync.settle", "worker.sync.push"]


def test_a_task_says_when_what_follows_could_not_be_sent(context, events, monkeypatch):
    monkeypatch.setattr(app, "send_task", Sent(away=True))
    monkeypatch.setattr(slices.settling, "settle", lambda *_: [Wake("push", "7")])

    assert slices.settle(7) == "done; the broker is away, push will follow"


def test_progress_is_shown_at_most_once_a_second_and_the_last_word_is_kept(events, monkeypatch):
    now = [10.0]
    monkeypatch.setattr(running.time, "monotonic", lambda: now[0])
    progress = running.Progress(slices.pull)
    for at, text in ((10.0, "1/3"), (10.5, "2/3"), (11.0, "3/3"), (11.2, "done")):
        now[0] = at
        progress(text)

    assert events == [("task-progress", "1/3"), ("task-progress", "3/3")]
    assert progress.last == "done"


def test_progress_that_cannot_be_shown_disturbs_nothing(monkeypatch):
    def away(*_, **__):
        raise OperationalError("no broker")

    monkeypatch.setattr(running.SyncTask, "send_event", away)
    progress = running.Progress(slices.pull)
    progress("1/3")

    assert progress.last == "1/3"


def test_a_task_that_lost_its_lease_ends_silently(sent, context, monkeypatch):
    def fenced(*_):
        raise Fenced("another owner")

    monkeypatch.setattr(slices.lane, "push", fenced)

    assert slices.push(7) == "somebody else has taken over"
    assert sent.messages == []


@pytest.mark.fault("N7")
def test_a_slice_is_tried_again_while_the_database_is_away_and_for_nothing_else():
    from sqlalchemy.exc import InterfaceError, OperationalError

    for task in (slices.pull, slices.audit, slices.push, slices.settle):
        assert task.autoretry_for == (Transient, OperationalError, InterfaceError)
        assert task.max_retries == 20


def test_a_public_task_asks_for_a_run_and_sends_its_wake_ups(sent, context, events, monkeypatch):
    from worker.sync.requests import RunTicket

    asked = []

    def request_run(given, slug, job):
        asked.append((slug, job))
        task = "audit" if job == "audit" else "pull"
        return RunTicket("01JRUN", "queued", [Wake(task, "01JRUN", label=f"shop={slug} {job}", job=job)])

    monkeypatch.setattr(catalog, "request_run", request_run)
    tasks = (catalog.full_sync, catalog.delta_sync, catalog.volatile_push, catalog.audit)

    assert [task("acme") for task in tasks] == [
        *["run 01JRUN queued; next: pull"] * 3,
        "run 01JRUN queued; next: audit",
    ]
    assert asked == [("acme", job) for job in ("full", "delta", "volatile", "audit")]
    assert [message[2:] for message in sent.messages] == [
        (queue, None, f"shop=acme {job}")
        for queue, job in (("full", "full"), ("delta", "delta"), ("volatile", "volatile"), ("full", "audit"))
    ]


def test_a_refused_request_fails_its_task_with_the_sentence(sent, context, monkeypatch):
    def request_run(*_):
        raise BadInput("There is no shop 'acme'.")

    monkeypatch.setattr(catalog, "request_run", request_run)

    with pytest.raises(BadInput, match=r"^There is no shop 'acme'\.$"):
        catalog.full_sync("acme")
    assert catalog.full_sync.throws[0] in BadInput.__mro__
    assert sent.messages == []


@pytest.mark.fault("N19")
@pytest.mark.parametrize(
    ("task", "args", "kwargs"),
    [
        (slices.pull, ["01RUN"], {"priority": 5}),
        (slices.push, [], {}),
        (slices.settle, [7, "shop"], {}),
        (catalog.full_sync, ["acme"], {"since": "yesterday"}),
    ],
)
def test_a_message_of_another_version_is_dropped_with_a_line_in_the_log(task, args, kwargs, context):
    with structlog.testing.capture_logs() as lines:
        done = build_tracer(task.name, task, app=app)("task-1", args, kwargs)

    assert (done.retval, done.info) == (None, None)
    assert [(line["event"], line["task"]) for line in lines] == [("task.of_another_version", task.name)]
