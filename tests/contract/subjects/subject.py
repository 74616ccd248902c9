"""What the suite wants of a store that joins it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any, ClassVar

import httpx

from worker.stores import Store

SECRET = "canary-secret"
BAD = 7
"""The item whose price ``fill(…, spoil=True)`` breaks."""


class Subject(ABC):
    """One kind of store with a fake of its platform, made anew for every test.

    A new store gives ``fake`` in its ``__init__``, and ``fill``, ``touch``, ``open`` and ``title``. The rest is as
    most platforms have it.

    Args:
        tmp_path: A directory of this test's own, for a store that spools.

    Attributes:
        fake: The platform: an ``httpx.BaseTransport`` with an attribute ``override``. ``open`` hands it to the store,
            and what the suite has put in its place otherwise, None for the real network included.
        remote: Whether the store is asked over a network.
        secret_in_address: Whether the merchant himself wrote a secret into the store's address.
        follows_redirects: Whether it reads a file, which may lie where a redirect leads, rather than calls an API.
    """

    fake: Any
    remote: bool = True
    secret_in_address: bool = False
    follows_redirects: ClassVar[bool] = False

    @abstractmethod
    def __init__(self, tmp_path: Path) -> None:
        """Make the fake."""

    @abstractmethod
    def fill(self, count: int, *, spoil: bool = False, without: Container[int] = ()) -> None:
        """Make the platform's catalog: items 0 … ``count`` - 1, in its own order, but those of ``without``.

        Number N has the retailer_id "N", the price N.50 USD, is in stock, and was last changed long before the fake's
        clock. Its bytes do not depend on which others there are. Called again the catalog has changed, also in the
        middle of a pull.

        Args:
            spoil: The price of item ``BAD`` is of a type or a text that no price has.
        """

    @abstractmethod
    def touch(self, number: int) -> None:
        """Say that this item was changed at the fake's clock, and change nothing; where no store asks, do nothing."""

    @abstractmethod
    def open(self) -> Store:
        """The store, with ``SECRET`` as its credential or a part of it, and ``self.fake`` as its transport."""

    @staticmethod
    @abstractmethod
    def title(number: int) -> str:
        """The title of this item as Meta shall have it."""

    @staticmethod
    def is_row(value: dict[str, Any], number: int) -> bool:
        """Whether this object of an answer is the row of that item; by its ``id``, a path or not."""
        return str(value.get("id")).rpartition("/")[2] == str(number)

    @staticmethod
    def is_meant(path: Sequence[str | int], text: str) -> bool:
        """Whether this JSON text at this place of an answer is no damage but says something else; by default the
        empty list, which is how nothing looks."""
        return text == "[]"

    def answer_with(self, response: httpx.Response) -> None:
        """From now on the platform answers everything so."""
        self.fake.override = response
