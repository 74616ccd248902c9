"""Typed configuration: the environment, a ``.env`` file in the working directory, and ``/run/secrets``.

Read once per process and only at the edge (``app``, ``cli``, ``tasks``); everything below gets plain values.
To add a setting: a field here, a line in ``.env.example``, a row in ``docs/settings.md``, a case in ``test_settings``.
"""

from __future__ import annotations

import ipaddress
import re
import sys
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from worker import failpoints
from worker.errors import BadInput

KEY_LENGTH = 32
"""Characters that a key for tokens at rest has at least: below that it can be guessed."""

_LOOPBACK_NETWORKS = ("127.0.0.0/8", "::1/128")
_SECRETS_DIR = Path("/run/secrets")


class Settings(BaseSettings):
    """Everything an operator can set. Empty values count as unset, as compose files pass them."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    database_url: str = Field(
        "sqlite:///var/shelfbeat.db",
        repr=False,
        validate_default=True,
        description="SQLAlchemy URL of the snapshot database; a relative SQLite path starts at the working directory.",
    )
    redis_url: str | None = Field(
        None, repr=False, description="Celery broker, redis:// or rediss://; None: the embedded broker."
    )
    meta_graph_url: str = Field(
        "https://graph.facebook.com", description="Base of the Graph API; a loopback address for the sandbox."
    )
    meta_graph_version: str = Field("v26.0", description="Version in the path of every Graph call.")
    meta_drain_s: float = Field(
        600,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="Seconds for which a batch with unknown outcome may still land; its items wait that long.",
    )
    meta_app_id: str | None = Field(None, description="The app at Meta whose secret signs the calls.")
    meta_app_secret: SecretStr | None = Field(
        None, description="With it, every call carries appsecret_proof; None: calls are not signed."
    )
    token_keys: SecretStr | None = Field(
        None,
        description="Comma-separated keys for tokens at rest, newest first; None: a key file beside SQLite.",
    )
    store_allowed_networks: str = Field(
        "", description="Comma-separated CIDRs that merchant-supplied addresses may reach although they are not public."
    )
    flower_basic_auth: SecretStr | None = Field(None, description="user:password for Flower.")
    log_format: Literal["console", "json"] = Field(
        default_factory=lambda: "console" if sys.stderr.isatty() else "json",
        description="Shape of the log lines on stderr; unset: console on a terminal, else json.",
    )
    failpoints: str = Field(
        "", description="Steps at which every process is killed, stopped or failed, for tests against a sandbox only."
    )

    @field_validator("database_url")
    @classmethod
    def _database_url(cls, value: str) -> str:
        # Hosting providers hand out postgres://, which SQLAlchemy dropped.
        value = re.sub(r"^postgres(?=[:+])", "postgresql", value)
        try:
            url = make_url(value)
        except (ArgumentError, ValueError):
            raise ValueError("it must look like sqlite:///var/shelfbeat.db or postgresql://user@host/name") from None
        backend = url.get_backend_name()
        if backend not in ("sqlite", "postgresql"):
            raise ValueError(f"{backend} is no supported database, only sqlite and postgresql are")
        if backend == "sqlite":
            if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
                raise ValueError("an SQLite URL needs the path of a file, which several processes can share")
            url = url.set(database=str(Path.cwd() / url.database))
        return url.render_as_string(hide_password=False)

    @field_validator("redis_url")
    @classmethod
    def _redis_url(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            if parts.scheme not in ("redis", "rediss") or not parts.hostname or not _has_good_port(parts):
                raise ValueError("it must look like redis://host:6379/0 or rediss://host:6379/0")
            if not re.fullmatch(r"/?\d*", parts.path):
                raise ValueError("after the host it may only name the number of a database, such as /0")
        return value

    @field_validator("meta_graph_url")
    @classmethod
    def _meta_graph_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.query
            or parts.fragment
            or parts.username
            or not _has_good_port(parts)
        ):
            raise ValueError("it must look like https://graph.facebook.com")
        # Every call carries a token. A name without a dot is one of a private network, such as a compose service.
        if parts.scheme == "http" and not _is_loopback(parts.hostname) and "." in parts.hostname:
            raise ValueError("plain http is only for a loopback address, because every call carries a token")
        return value.rstrip("/")

    @field_validator("meta_graph_version")
    @classmethod
    def _meta_graph_version(cls, value: str) -> str:
        if not re.fullmatch(r"v\d{1,3}\.\d{1,2}", value):
            raise ValueError("it must look like v26.0")
        return value

    @field_validator("token_keys")
    @classmethod
    def _token_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            keys = _listed(value.get_secret_value())
            if not keys or any(len(key) < KEY_LENGTH for key in keys):
                raise ValueError(f"each of its comma-separated keys must have {KEY_LENGTH} characters or more")
        return value

    @field_validator("store_allowed_networks")
    @classmethod
    def _store_allowed_networks(cls, value: str) -> str:
        for network in _listed(value):
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError:
                raise ValueError(f"{network!r} is no network such as 10.1.0.0/16") from None
        return value

    @field_validator("flower_basic_auth")
    @classmethod
    def _flower_basic_auth(cls, value: SecretStr | None) -> SecretStr | None:
        # Flower itself splits at commas, so a comma in a password would silently make it two entries.
        if value is not None and not all(
            re.fullmatch(r"[^:]+:.+", pair) for pair in value.get_secret_value().split(",")
        ):
            raise ValueError("it must look like user:password, without a comma in either")
        return value

    @field_validator("failpoints")
    @classmethod
    def _failpoints(cls, value: str, info: ValidationInfo) -> str:
        # A sandbox on this machine is what no production ever talks to.
        graph = info.data.get("meta_graph_url")
        if value and graph is not None and not _is_loopback(urlsplit(graph).hostname or ""):
            raise ValueError("it makes processes fail on purpose, which is only for a META_GRAPH_URL on loopback")
        failpoints.parse(value)
        return value

    @property
    def uses_sqlite(self) -> bool:
        return make_url(self.database_url).get_backend_name() == "sqlite"

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys for tokens at rest, newest first; empty: a key file beside the SQLite database holds one."""
        return () if self.token_keys is None else _listed(self.token_keys.get_secret_value())

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret in clear text, so that log lines can be searched for them."""
        single = [secret.get_secret_value() for secret in (self.meta_app_secret, self.flower_basic_auth) if secret]
        return (*self.keys, *single)

    @property
    def allowed_networks(self) -> tuple[str, ...]:
        """CIDRs that merchant-supplied addresses may reach although they are not public.

        Against a Graph API on loopback (the sandbox) nothing real is at stake, so its sample store needs no setting.
        """
        loopback = _LOOPBACK_NETWORKS if _is_loopback(urlsplit(self.meta_graph_url).hostname or "") else ()
        return (*_listed(self.store_allowed_networks), *loopback)


@cache
def read_settings() -> Settings:
    """Read and check the settings, once per process.

    Raises:
        BadInput: One sentence that names each variable that is wrong.
    """
    try:
        settings = Settings(_secrets_dir=_SECRETS_DIR if _SECRETS_DIR.is_dir() else None)
    except ValidationError as error:
        wrong = "; ".join(
            f"{str(problem['loc'][0]).upper()} is wrong: {_reason(problem['msg'])}" for problem in error.errors()
        )
        raise BadInput(f"{wrong}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"The file .env in {Path.cwd()} cannot be read: {error}.") from None
    if not settings.uses_sqlite and settings.token_keys is None:
        raise BadInput(
            "TOKEN_KEYS is not set, and only an SQLite database gets a key file of its own.",
            action=f"Set it to a random text of {KEY_LENGTH} characters or more, and keep it safe.",
        )
    return settings


def _listed(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _has_good_port(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def _reason(message: str) -> str:
    """Pydantic's text without its prefix, as the rest of a sentence."""
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]
