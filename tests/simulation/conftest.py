from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.simulation.world import World
from worker.sync.context import Limits


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A shop with nothing in it; calls may carry as much as they like."""
    limits = Limits(batch_items=50, drain_s=600.0, handle_s=3600.0)
    world = World(tmp_path / "world.db", seed=1, limits=limits)
    yield world
    world.close()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """A simulated store fails by design: nobody has to read about it."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)
