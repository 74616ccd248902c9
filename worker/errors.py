"""What can go wrong, grouped by what to do about it.

    ShelfbeatError
    ├── Transient              try again later; may carry when
    │   ├── Throttled          Meta or a store said "slow down": a wait, never a failed attempt
    │   └── OutcomeUnknown     the call may or may not have been carried out
    ├── Permanent              a person or a deploy must act; says who and what
    │   ├── TokenRefused       Meta refuses the shop's token: pause that shop
    │   ├── CatalogRefused     the catalog is missing or not ours: pause that shop
    │   ├── SecretUnreadable   a stored credential does not decrypt: pause that shop, use nothing else instead
    │   ├── AppRefused         trouble of the whole app (secret, version, block): every shop waits
    │   ├── CallRefused        Meta refuses this call as it stands; do not repeat it unchanged
    │   ├── CallTooLarge       Meta asks for less data in one call: halve it
    │   ├── StoreRefused       the store refuses our credentials or our address
    │   ├── StoreIncomplete    the store's answer is not a whole catalog; believe nothing of it
    │   └── BadInput           what the operator typed or configured is wrong
    └── Fenced                 another owner holds the lease now; stop without a trace

A problem of one item is data, not an exception: see ``items.Finding``.
Messages are one sentence, hold no secret and no response body, and may be shown to a merchant.
"""

from __future__ import annotations

from typing import Any, Literal

Owner = Literal["merchant", "operator", "meta"]


class ShelfbeatError(Exception):
    """Base of everything this project raises on purpose.

    Args:
        message: One sentence that names the thing that is wrong.
        action: One sentence that says what to do; empty when waiting is all there is to do.
        owner: Who can act.
    """

    owner: Owner = "operator"

    def __init__(self, message: str, *, action: str = "", owner: Owner | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.action = action
        if owner is not None:
            self.owner = owner

    def __str__(self) -> str:
        return f"{self.message} {self.action}".strip()

    def __reduce__(self) -> tuple[Any, ...]:
        # Celery's result path and multiprocessing pickle exceptions; keyword-only arguments
        # do not survive the default, which replays ``args`` alone.
        return _rebuild, (type(self), self.message, self.__dict__)


def _rebuild(cls: type[ShelfbeatError], message: str, state: dict[str, Any]) -> ShelfbeatError:
    error = cls.__new__(cls)
    Exception.__init__(error, message)
    error.__dict__.update(state)
    return error


class Transient(ShelfbeatError):
    """Retry later. ``retry_after_s`` is None when nobody said when."""

    def __init__(
        self, message: str, *, retry_after_s: float | None = None, action: str = "", owner: Owner | None = None
    ) -> None:
        super().__init__(message, action=action, owner=owner)
        self.retry_after_s = retry_after_s


class Throttled(Transient):
    """Stop calling: calls made while throttled extend the block. ``scope`` says what has to wait."""

    def __init__(
        self,
        message: str,
        *,
        scope: Literal["app", "token", "catalog", "store"],
        retry_after_s: float | None = None,
        action: str = "",
        owner: Owner | None = None,
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s, action=action, owner=owner)
        self.scope = scope


class OutcomeUnknown(Transient):
    """No answer, or one that is neither a result nor an error envelope: the call may have been carried out."""


class Permanent(ShelfbeatError):
    """Repeating it changes nothing until somebody acts."""


class TokenRefused(Permanent):
    owner: Owner = "merchant"


class CatalogRefused(Permanent):
    owner: Owner = "merchant"


class SecretUnreadable(Permanent):
    owner: Owner = "operator"


class AppRefused(Permanent):
    owner: Owner = "operator"


class CallRefused(Permanent):
    """``code`` is Meta's error code, for the issue row."""

    def __init__(self, message: str, *, code: str = "", action: str = "", owner: Owner | None = None) -> None:
        super().__init__(message, action=action, owner=owner)
        self.code = code


class CallTooLarge(Permanent):
    owner: Owner = "meta"


class StoreRefused(Permanent):
    owner: Owner = "merchant"


class StoreIncomplete(Permanent):
    owner: Owner = "merchant"


class BadInput(Permanent):
    """A wrong argument, setting or file: the command exits 1 and changes nothing."""


class Fenced(ShelfbeatError):
    """The lease was lost. Whoever holds it now does the work; this attempt ends silently."""
