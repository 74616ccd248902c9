"""Log lines: one shape, on stderr, without secrets."""

from __future__ import annotations

import json
import logging

import pytest
import structlog

from worker import logs

TOKEN = "EAA" + "canary12"


@pytest.fixture(autouse=True)
def _restored():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def _lines(capsys):
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_an_event_is_one_json_line_on_stderr_with_its_fields(capsys):
    logs.configure("json", level=logging.INFO)
    with structlog.contextvars.bound_contextvars(task="worker.sync.push"):
        structlog.get_logger("worker.sync").info("run.finished", shop="acme", accepted=3)

    (line,) = _lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "run.finished",
        "shop": "acme",
        "accepted": 3,
        "task": "worker.sync.push",
        "level": "info",
        "logger": "worker.sync",
    }


def test_lines_of_other_libraries_have_the_same_shape(capsys):
    logs.configure("json", level=logging.WARNING)
    logging.getLogger("celery.worker").warning("lost %s", "connection")
    logging.getLogger("celery.worker").info("not shown")

    (line,) = _lines(capsys)
    assert (line["event"], line["level"], line["logger"]) == ("lost connection", "warning", "celery.worker")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (f"token {TOKEN} refused", "token [secret] refused"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [secret]"),
        ("GET /v26.0/1?access_token=abc&x=1", "GET /v26.0/1?access_token=[secret]&x=1"),
        ("?appsecret_proof=0123456789abcdef", "?appsecret_proof=[secret]"),
        ("redis://user:canary@host/0", "redis://[secret]@host/0"),
        ("the word canary-secret itself", "the word [secret] itself"),
    ],
)
@pytest.mark.invariant("I14")
def test_no_secret_is_written(text, written, capsys):
    logs.configure("json", level=logging.INFO, secrets=["canary-secret"])
    logging.getLogger("any").warning(text)
    structlog.get_logger("any").warning("event", note=text, nested={"list": [text]})

    first, second = _lines(capsys)
    assert first["event"] == written
    assert second["note"] == written
    assert second["nested"] == {"list": [written]}


def test_fields_that_are_named_like_secrets_are_hidden(capsys):
    logs.configure("json", level=logging.INFO)
    structlog.get_logger("any").warning("event", token="canary", headers={"Authorization": "canary"})

    (line,) = _lines(capsys)
    assert (line["token"], line["headers"]) == ("[secret]", {"Authorization": "[secret]"})


def test_a_traceback_is_searched_too(capsys):
    logs.configure("json", level=logging.INFO)
    try:
        raise ValueError(f"refused {TOKEN}")
    except ValueError:
        logging.getLogger("any").exception("failed")

    (line,) = _lines(capsys)
    assert "ValueError: refused [secret]" in line["exception"]
    assert TOKEN not in json.dumps(line)


def test_configuring_again_doubles_no_line(capsys):
    logs.configure("json")
    logs.configure("json", level=logging.INFO)
    logging.getLogger("any").warning("once")

    assert len(_lines(capsys)) == 1


def test_a_daemon_speaks_for_itself_but_not_about_every_task(capsys):
    logs.configure_daemon("json", level=logging.WARNING)
    structlog.get_logger("worker.sync").info("run.finished")
    logging.getLogger("celery.app.trace").info("Task succeeded")
    logging.getLogger("httpx").info("HTTP Request: POST …")

    assert [line["event"] for line in _lines(capsys)] == ["run.finished"]
