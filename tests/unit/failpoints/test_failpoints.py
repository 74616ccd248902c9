from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from worker import failpoints
from worker.database.engine import make_engine, reading, writing
from worker.failpoints import Failpoint, InjectedBug, actions_of, parse


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.arm(())


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = make_engine(f"sqlite:///{tmp_path / 'test.db'}")
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE done (what TEXT)"))
    return engine


def do(engine: Engine, step: str) -> None:
    with writing(engine, step) as connection:
        connection.execute(text("INSERT INTO done VALUES ('it')"))


def done(engine: Engine) -> int:
    with reading(engine) as connection:
        return connection.execute(text("SELECT count(*) FROM done")).scalar_one()


def test_steps_actions_and_passages_are_read_from_one_line() -> None:
    assert parse("") == ()
    assert parse("lane.2-pick:kill, settle.3-ask:stop-before:2") == (
        Failpoint("lane.2-pick", "kill", 1),
        Failpoint("settle.3-ask", "stop-before", 2),
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("lane.2-pack:kill", "there is no step 'lane.2-pack', docs/failpoints.md lists them"),
        ("lane.2-pick", "the step lane.2-pick has no action ''"),
        ("lane.5-post:commit-lost", "the step lane.5-post has no action 'commit-lost', only kill-before, "),
        ("lane.2-pick:kill:0", "'0' is no passage of lane.2-pick; the first is 1"),
        ("lane.2-pick:kill:soon", "'soon' is no passage of lane.2-pick; the first is 1"),
    ],
)
def test_what_names_no_step_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse(text)
    assert str(refused.value).startswith(sentence)


def test_only_a_transaction_can_break_while_it_commits() -> None:
    assert set(actions_of("lane.2-pick")) - set(actions_of("lane.5-post")) == {"commit-lost", "commit-unknown"}


@pytest.mark.parametrize(
    ("action", "error", "rows"),
    [
        ("raise-before", InjectedBug, 0),
        ("raise", InjectedBug, 1),
        ("commit-lost", OperationalError, 0),
        ("commit-unknown", OperationalError, 1),
    ],
)
def test_a_transaction_fails_on_either_side_of_its_commit(
    engine: Engine, action: str, error: type[Exception], rows: int
) -> None:
    failpoints.arm(parse(f"lane.2-pick:{action}"))
    with pytest.raises(error):
        do(engine, "lane.2-pick")
    assert done(engine) == rows


def test_only_the_named_passage_of_the_named_step_fails(engine: Engine) -> None:
    failpoints.arm(parse("lane.2-pick:raise:2"))
    do(engine, "lane.1-lease")
    do(engine, "lane.2-pick")
    do(engine, "lane.3-commit")
    with pytest.raises(InjectedBug):
        do(engine, "lane.2-pick")
    do(engine, "lane.2-pick")
    assert done(engine) == 5
