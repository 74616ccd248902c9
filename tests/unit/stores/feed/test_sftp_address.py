"""What a shop may say of a feed over SFTP: nothing here opens a connection."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from worker.errors import BadInput, StoreRefused
from worker.stores import StoreConfig
from worker.stores.feed import KIND
from worker.stores.feed.sftp import _private_key
from worker.stores.feed.sftp_address import Place, place_of

URL = "sftp://feeds@files.example/out/feed.csv.gz"
HOST_KEY = f"SHA256:{'Aa0+/' * 8}xyz"
PRICES = {"volatile_fields": "price,availability"}


def config(tmp_path: Path, url: str = URL, secret: str | None = None, **options: str) -> StoreConfig:
    return StoreConfig(url, options, None, secret, str(tmp_path / "spool"))


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (URL, Place("feeds", "files.example", 22, "/out/feed.csv.gz")),
        ("SFTP://feeds@[2001:db8::1]:2222/f.csv", Place("feeds", "2001:db8::1", 2222, "/f.csv")),
        ("sftp://a%40b@files.example/my%20feed%3F.csv", Place("a@b", "files.example", 22, "/my feed?.csv")),
    ],
)
def test_an_address_names_user_host_port_and_path(url, place):
    assert place_of(KIND.canonical_url(f"{url} ")) == place


@pytest.mark.parametrize(
    ("url", "options", "says"),
    [
        ("sftp://feeds:canary@files.example/f.csv", {}, "sftp://files.example/f.csv carries a password."),
        ("sftp://feeds:@files.example/f.csv", {}, "carries a password"),
        ("sftp://files.example/f.csv", {}, "is not an sftp address of a file"),
        ("sftp://feeds@/f.csv", {}, "is not an sftp address of a file"),
        ("sftp://feeds@files.example", {}, "is not an sftp address of a file"),
        ("sftp://feeds@files.example/", {}, "is not an sftp address of a file"),
        ("sftp://feeds@files.example:0/f.csv", {}, "is not an sftp address of a file"),
        ("sftp://feeds@files.example:99999/f.csv", {}, "is not an sftp address of a file"),
        ("sftp://feeds@files.example/f.csv?key=canary", {}, "is not an sftp address of a file"),
        ("sftp://feeds@files.example/f%00.csv", {}, "is not an sftp address of a file"),
        (URL, {}, "needs the option host_key"),
        (URL, {"host_key": "MD5:00:11"}, "needs the option host_key"),
        (URL, {"host_key": HOST_KEY, "auth": "basic"}, "The option auth is for http(s) addresses"),
        (URL, {"host_key": HOST_KEY, "root": "/data"}, "The option root bounds local paths"),
        ("https://files.example/f.csv", {"host_key": HOST_KEY}, "The option host_key is for sftp"),
        ("https://files.example/f.csv", {"volatile_url": URL, **PRICES}, "is for sftp only where the feed itself is"),
        (URL, {"host_key": HOST_KEY, "volatile_url": "sftp://other@files.example/p.csv", **PRICES}, "another user"),
        (URL, {"host_key": HOST_KEY, "volatile_url": "sftp://feeds@x.example/p.csv", **PRICES}, "another user or"),
        (URL, {"host_key": HOST_KEY, "volatile_url": "sftp://feeds:canary@x.example/p", **PRICES}, "carries a pass"),
    ],
)
def test_what_can_never_work_is_refused_without_a_connection(tmp_path, url, options, says):
    with pytest.raises(BadInput) as caught:
        KIND.check(config(tmp_path, url, **options))
    assert says in caught.value.message
    assert "canary" not in f"{caught.value}{caught.value.action}"


def test_a_password_may_be_any_text_and_prices_may_come_from_the_web(tmp_path):
    prices = {"volatile_url": "https://shop.example/p.csv", **PRICES}
    KIND.check(config(tmp_path, secret="any: text", host_key=HOST_KEY, **prices))
    KIND.check(config(tmp_path, host_key=f"{HOST_KEY}="))


@pytest.mark.parametrize("form", ["OpenSSH", "TraditionalOpenSSL", "PKCS8"])
@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("ssh-ed25519", ed25519.Ed25519PrivateKey.generate),
        ("ecdsa-sha2-nistp256", lambda: ec.generate_private_key(ec.SECP256R1())),
        ("ssh-rsa", lambda: rsa.generate_private_key(65537, 2048)),
    ],
)
def test_a_private_key_may_have_any_usual_form(tmp_path, form, kind, make):
    if (kind, form) == ("ssh-ed25519", "TraditionalOpenSSL"):
        form = "PKCS8"  # this kind is younger than that form
    text = _pem(make(), form)
    KIND.check(config(tmp_path, secret=text.strip(), host_key=HOST_KEY))
    assert _private_key(text.strip()).get_name() == kind


@pytest.mark.parametrize("spoil", ["cut", "first line", "passphrase"])
def test_a_private_key_that_cannot_be_read_is_refused(tmp_path, spoil):
    key = ec.generate_private_key(ec.SECP256R1())
    text = _pem(key, "PKCS8")
    secret = {
        "cut": text[:80],
        "first line": text.splitlines()[0],
        "passphrase": _pem(key, "PKCS8", serialization.BestAvailableEncryption(b"canary")),
    }[spoil]
    with pytest.raises(BadInput, match="not a private key that can be read") as caught:
        KIND.check(config(tmp_path, secret=secret, host_key=HOST_KEY))
    assert text[30:60] not in str(caught.value)


def test_a_shop_without_a_credential_is_told_so(tmp_path):
    with pytest.raises(StoreRefused, match="needs the store's credential"):
        KIND.open(config(tmp_path, host_key=HOST_KEY))


def test_without_the_library_the_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("worker.stores.feed.sftp_address.find_spec", lambda _: None)
    for step in (KIND.check, KIND.open):
        with pytest.raises(BadInput) as caught:
            step(config(tmp_path, secret="canary", host_key=HOST_KEY))
        assert str(caught.value) == (
            "Feeds over sftp need the package paramiko. Install it with: pip install 'shelfbeat[sftp]'."
        )


def _pem(key, form, encryption=None):
    made = key.private_bytes(
        serialization.Encoding.PEM,
        getattr(serialization.PrivateFormat, form),
        encryption or serialization.NoEncryption(),
    )
    return made.decode()
