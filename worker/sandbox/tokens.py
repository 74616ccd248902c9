"""Who may call. Tokens are kept as hashes: nothing in the sandbox can print one."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

from worker.sandbox.answers import GraphRefusal, no_such_object


def token_id(token: str) -> str:
    """A short name under which the call log shows a token."""
    return hashlib.sha256(token.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Standing:
    """What a token is good for: ``code`` None is a good one; ``catalogs`` None means all of them."""

    code: int | None = None
    subcode: int | None = None
    catalogs: frozenset[str] | None = None


class Tokens:
    """Any text is a token until it is given another standing, or until ``known_only`` is set."""

    def __init__(self) -> None:
        self.known_only = False
        self._standings: dict[str, Standing] = {}

    def set(self, token: str, standing: Standing) -> None:
        self._standings[token_id(token)] = standing

    def clear(self) -> None:
        self.known_only = False
        self._standings.clear()

    def shown(self, token: str | None) -> str | None:
        """How the call log names a token: enough to tell two shops' tokens apart."""
        return token_id(token) if token else None

    def is_good(self, token: str) -> bool:
        standing = self._standings.get(token_id(token))
        return not self.known_only if standing is None else standing.code is None

    def admit(self, token: str | None, catalog_id: str | None) -> None:
        """Raises ``GraphRefusal``: 190 for no, an unknown or a revoked token; 100 for a catalog that it may not see."""
        if not token:
            raise GraphRefusal(190, "An access token is required to request this resource.", prefixed=False)
        standing = self._standings.get(token_id(token))
        if standing is None:
            if self.known_only:
                raise GraphRefusal(190, "Invalid OAuth access token.", prefixed=False)
        elif standing.code is not None:
            more: dict[str, Any] = {} if standing.subcode is None else {"error_subcode": standing.subcode}
            raise GraphRefusal(standing.code, "Error validating access token.", prefixed=False, **more)
        elif standing.catalogs is not None and catalog_id is not None and catalog_id not in standing.catalogs:
            raise no_such_object(catalog_id)


def check_proof(app_secret: str | None, token: str, proof: str | None) -> None:
    """Raises ``GraphRefusal`` when the app requires ``appsecret_proof`` and this is not it. No secret: not checked."""
    if app_secret is None:
        return
    if proof is None:
        raise _proof_refusal("API calls from the server require an appsecret_proof argument")
    wanted = hmac.new(app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted.encode(), proof.encode()):
        raise _proof_refusal("Invalid appsecret_proof provided in the API argument")


def _proof_refusal(message: str) -> GraphRefusal:
    return GraphRefusal(100, message, kind="GraphMethodException", prefixed=False)
