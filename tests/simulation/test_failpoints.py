"""Whatever happens at whichever step: at rest Meta is as the store, and nothing is believed that is not so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pytest

from tests.simulation.ablations import no_fence
from tests.simulation.scenes import SCENES, Scene, plain
from tests.simulation.stages import Outcome, Passage, Stage, Theatre
from worker.failpoints import STEPS, Failpoint, actions_of

EVERY_FAULT = [(step, action) for step in STEPS for action in actions_of(step)]

STRIKES = {
    "kill": "SIGKILL",
    "stop": "stopped",
    "raise": "InjectedBug",
    "commit-lost": "OperationalError",
    "commit-unknown": "OperationalError",
}


@dataclass
class Rehearsal:
    """Each scene as it goes without a fault."""

    theatre: Theatre

    @cached_property
    def clean(self) -> dict[Scene, Outcome]:
        return {scene: self.theatre.play(scene) for scene in SCENES}

    def first(self, step: str, side: str) -> tuple[Scene, Passage]:
        """The first scene that comes past a step, and where."""
        for scene, outcome in self.clean.items():
            for passage in outcome.passages:
                if (passage.step, passage.side) == (step, side):
                    return scene, passage
        raise AssertionError(f"No scene comes past {step}.")


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    theatre = Theatre(tmp_path_factory.mktemp("theatre") / "shop.db")
    yield Rehearsal(theatre)
    theatre.close()


def test_no_scene_goes_wrong_by_itself(rehearsal: Rehearsal) -> None:
    assert {scene.__name__: outcome.problems for scene, outcome in rehearsal.clean.items() if outcome.problems} == {}


@pytest.mark.invariant("I2", "I4", "I6", "I13")
@pytest.mark.fault("N9", "N10", "N13")
@pytest.mark.parametrize(("step", "action"), EVERY_FAULT)
def test_a_fault_at_any_step_loses_nothing_and_costs_one_repeated_push(
    step: str, action: str, rehearsal: Rehearsal
) -> None:
    side = "before" if action.endswith("-before") or action == "commit-lost" else "after"
    scene, passage = rehearsal.first(step, side)
    outcome = rehearsal.theatre.play(scene, (passage.work, Failpoint(step, action)), rehearsal.clean[scene].sent)
    assert (outcome.struck, outcome.problems) == (STRIKES[action.removesuffix("-before")], [])
    assert outcome.failed <= rehearsal.clean[scene].failed


def test_without_the_fence_it_is_noticed_that_a_process_stood_still(rehearsal: Rehearsal) -> None:
    def unfenced(stage: Stage) -> None:
        plain(stage)
        no_fence(pytest.MonkeyPatch())  # in a process that ends with the scene

    _, passage = rehearsal.first("pull.5-merge", "after")
    outcome = rehearsal.theatre.play(unfenced, (passage.work, Failpoint("pull.5-merge", "stop")))
    assert [line.partition(" was ")[2] for line in outcome.problems if line.startswith("run ")] == [
        "changed by a process that had lost its lease"
    ]
