"""What a shop says of a feed over SFTP, judged without a connection: address, host key, credential."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote, urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from worker.errors import BadInput
from worker.stores.http import display


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file lies: ``sftp://user@host[:port]/path``."""

    user: str
    host: str
    port: int
    path: str


def is_sftp(url: str) -> bool:
    return url.lower().startswith("sftp://")


def place_of(url: str) -> Place:
    """Raises ``BadInput`` unless ``url`` names a user, a host and a file, and no password."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.password is not None:
        raise BadInput(
            f"{display(url)} carries a password.",
            action="Remove it from the address; it is the store's credential (--store-secret-env).",
        )
    place = Place(unquote(parts.username or ""), host or "", 22 if port is None else port, unquote(parts.path))
    whole = place.user and place.host and place.port and place.path.strip("/")
    if not whole or parts.query or parts.fragment or re.search(r"[\x00-\x1f\x7f]", place.user + place.path):
        raise BadInput(
            f"{display(url)} is not an sftp address of a file.",
            action="Give sftp://USER@HOST/PATH, with %3F for a question mark and %23 for a number sign.",
        )
    return place


def check_host_key(fingerprint: str | None) -> None:
    if fingerprint is None or not re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}=?", fingerprint):
        raise BadInput(
            "A feed over sftp needs the option host_key in the form SHA256: and 43 characters.",
            action="Ask who runs the server for the fingerprint of its host key.",
        )


def is_private_key(secret: str) -> bool:
    return secret.startswith("-----BEGIN")


def check_secret(secret: str | None) -> None:
    """Raises ``BadInput`` for a private key that cannot be read; any other text is a password."""
    if secret is not None and is_private_key(secret):
        openssh_form(secret)


def check_library() -> None:
    if find_spec("paramiko") is None:
        raise BadInput(
            "Feeds over sftp need the package paramiko.", action="Install it with: pip install 'shelfbeat[sftp]'."
        )


def openssh_form(secret: str) -> str:
    """PEM of any form as OpenSSH's, the only one that paramiko reads for every kind of key."""
    data = secret.strip().encode() + b"\n"
    load: Callable[..., Any] = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data else load_pem_private_key
    try:
        key = load(data, password=None)
        return str(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadInput(
            "The store's credential is not a private key that can be read: it is cut, or has a passphrase.",
            action="Give all of its lines, without a passphrase, in an environment variable.",
        ) from None
