"""OAuth 1.0a as RFC 5849 has it, checked against its own examples and against a signature computed elsewhere."""

from __future__ import annotations

import base64
import hashlib
import hmac

from worker.stores.woocommerce.signing import Key, Signer, base_string


def test_the_base_string_is_that_of_the_rfcs_example():
    # RFC 5849, 3.4.1.1: a body and a query with repeated, empty and encoded names.
    params = [
        ("b5", "=%3D"), ("a3", "a"), ("c@", ""), ("a2", "r b"), ("c2", ""), ("a3", "2 q"),
        ("oauth_consumer_key", "9djdj82h48djs9d2"), ("oauth_token", "kkk9d7dh3k39sjv7"),
        ("oauth_signature_method", "HMAC-SHA1"), ("oauth_timestamp", "137131201"), ("oauth_nonce", "7d8f3e4a"),
    ]  # fmt: skip
    assert base_string("POST", "http://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a", params) == (
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D"
        "%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1"
        "%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
    )


def test_the_base_string_signs_as_the_rfcs_photo_example_does():
    # RFC 5849, 1.2: the printer gets its photo with a signature that the RFC prints.
    params = [
        ("file", "vacation.jpg"), ("size", "original"), ("oauth_consumer_key", "dpf43f3p2l4k3l03"),
        ("oauth_token", "nnch734d00sl2jdk"), ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", "137131202"), ("oauth_nonce", "chapoH"),
    ]  # fmt: skip
    text = base_string("GET", "http://photos.example.net/photos", params)
    digest = hmac.new(b"kd94hf93k423kf44&pfkkdhi9sl3r4s00", text.encode(), hashlib.sha1).digest()
    assert base64.b64encode(digest).decode() == "MdpQcU8iPSUjWoN/UDMsK2sui9I="


def test_a_port_of_its_own_is_signed():
    assert base_string("GET", "http://shop.example:8080/a", []) == "GET&http%3A%2F%2Fshop.example%3A8080%2Fa&"


def test_the_signature_is_hmac_sha256_with_the_secret_and_no_token():
    signer = Signer(Key.of("ck_1:cs_2"), clock=lambda: 1_700_000_000.9, nonce=lambda: "n0")
    header = signer.header("http://shop.example/wp-json/wc/v3/products", {"per_page": "2", "_fields": "id,name"})
    # printf %s 'GET&http%3A%2F%2F…' | openssl dgst -sha256 -hmac 'cs_2&' -binary | base64
    assert header == (
        'OAuth oauth_consumer_key="ck_1", oauth_nonce="n0", oauth_signature_method="HMAC-SHA256", '
        'oauth_timestamp="1700000000", oauth_version="1.0", '
        'oauth_signature="RhXRgMWVeLLD6P8OqJwQMNhCwbJRC2LthJU2oLTAO14%3D"'
    )


def test_a_key_shows_neither_half():
    assert "ck_1" not in repr(Key.of("ck_1:cs_2"))
    assert "cs_2" not in repr(Key.of("ck_1:cs_2"))
