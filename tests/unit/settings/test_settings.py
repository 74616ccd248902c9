"""What the environment may say, and the one sentence when it says something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.errors import BadInput
from worker.settings import Settings, read_settings

KEY = "k" * 32


@pytest.fixture(autouse=True)
def _nothing_set(tmp_path, monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    read_settings.cache_clear()
    yield
    read_settings.cache_clear()


def test_the_defaults_need_no_setting(tmp_path):
    settings = read_settings()

    assert settings.database_url == f"sqlite:///{tmp_path}/var/shelfbeat.db"
    assert settings.redis_url is None
    assert settings.meta_graph_url == "https://graph.facebook.com"
    assert settings.meta_graph_version == "v26.0"
    assert settings.meta_drain_s == 600
    assert settings.keys == ()
    assert settings.allowed_networks == ()


def test_a_dotenv_file_in_the_working_directory_is_read_and_the_environment_wins(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("META_DRAIN_S=5\nMETA_GRAPH_VERSION=v25.0\nFLOWER_PORT=1\n", encoding="utf-8")
    monkeypatch.setenv("META_GRAPH_VERSION", "v24.0")

    assert (read_settings().meta_drain_s, read_settings().meta_graph_version) == (5, "v24.0")


def test_an_empty_value_counts_as_unset(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "")
    monkeypatch.setenv("META_DRAIN_S", "")

    assert (read_settings().redis_url, read_settings().meta_drain_s) == (None, 600)


def test_settings_are_read_once(monkeypatch):
    first = read_settings()
    monkeypatch.setenv("META_DRAIN_S", "1")

    assert read_settings() is first


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("DATABASE_URL", "mysql://host/name", "mysql is no supported database, only sqlite and postgresql are."),
        ("DATABASE_URL", "nonsense",
         "it must look like sqlite:///var/shelfbeat.db or postgresql://user@host/name."),
        ("DATABASE_URL", "postgresql://u@host:port/name",
         "it must look like sqlite:///var/shelfbeat.db or postgresql://user@host/name."),
        ("DATABASE_URL", "sqlite://", "an SQLite URL needs the path of a file, which several processes can share."),
        ("REDIS_URL", "localhost:6379", "it must look like redis://host:6379/0 or rediss://host:6379/0."),
        ("REDIS_URL", "redis://host:port/0", "it must look like redis://host:6379/0 or rediss://host:6379/0."),
        ("REDIS_URL", "redis://host/x", "after the host it may only name the number of a database, such as /0."),
        ("META_GRAPH_URL", "graph.facebook.com", "it must look like https://graph.facebook.com."),
        ("META_GRAPH_URL", "http://127.0.0.1:port", "it must look like https://graph.facebook.com."),
        ("META_GRAPH_URL", "http://graph.facebook.com",
         "plain http is only for a loopback address, because every call carries a token."),
        ("META_GRAPH_VERSION", "26", "it must look like v26.0."),
        ("META_DRAIN_S", "soon", "input should be a valid number, unable to parse string as a number."),
        ("META_DRAIN_S", "-1", "input should be greater than or equal to 0."),
        ("META_DRAIN_S", "nan", "input should be a finite number."),
        ("TOKEN_KEYS", "short", "each of its comma-separated keys must have 32 characters or more."),
        ("TOKEN_KEYS", f"{KEY},short", "each of its comma-separated keys must have 32 characters or more."),
        ("STORE_ALLOWED_NETWORKS", "10.1.0.0/16,home", "'home' is no network such as 10.1.0.0/16."),
        ("FLOWER_BASIC_AUTH", "admin", "it must look like user:password, without a comma in either."),
        ("FLOWER_BASIC_AUTH", "admin:a,b", "it must look like user:password, without a comma in either."),
        ("LOG_FORMAT", "xml", "input should be 'console' or 'json'."),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_one_sentence_that_names_the_variable(variable, value, sentence, monkeypatch):
    monkeypatch.setenv(variable, value)

    with pytest.raises(BadInput) as refusal:
        read_settings()
    assert str(refusal.value) == f"{variable} is wrong: {sentence}"


def test_a_database_that_is_not_sqlite_needs_keys(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:password@host/name")

    with pytest.raises(BadInput, match=r"^TOKEN_KEYS is not set"):
        read_settings()
    monkeypatch.setenv("TOKEN_KEYS", f"{KEY}, {'o' * 40}")
    assert read_settings().keys == (KEY, "o" * 40)


def test_postgres_is_an_old_name_of_postgresql(monkeypatch):
    monkeypatch.setenv("TOKEN_KEYS", KEY)
    monkeypatch.setenv("DATABASE_URL", "postgres://user:password@host/name")

    assert read_settings().database_url == "postgresql://user:password@host/name"
    assert read_settings().uses_sqlite is False


def test_an_absolute_sqlite_path_stays(monkeypatch, tmp_path):
    monkeypatch.setenv("DATABASE_URL", "sqlite:////srv/shop data/beat.db")
    monkeypatch.chdir(tmp_path)

    assert read_settings().database_url == "sqlite:////srv/shop data/beat.db"


@pytest.mark.parametrize("address", ["http://127.0.0.1:8765", "http://localhost:8765/", "http://[::1]:8765"])
def test_a_graph_api_on_loopback_lets_stores_be_on_loopback_too(address, monkeypatch):
    monkeypatch.setenv("META_GRAPH_URL", address)
    monkeypatch.setenv("STORE_ALLOWED_NETWORKS", "10.1.0.0/16")

    assert read_settings().allowed_networks == ("10.1.0.0/16", "127.0.0.0/8", "::1/128")
    assert read_settings().meta_graph_url == address.rstrip("/")


def test_a_service_of_a_private_network_opens_nothing(monkeypatch):
    monkeypatch.setenv("META_GRAPH_URL", "http://sandbox:8000")

    assert read_settings().allowed_networks == ()


def test_no_secret_shows_when_settings_are_printed(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:canary@host/name")
    monkeypatch.setenv("REDIS_URL", "redis://:canary@host/0")
    monkeypatch.setenv("TOKEN_KEYS", "canary" * 6)
    monkeypatch.setenv("META_APP_SECRET", "canary")
    monkeypatch.setenv("FLOWER_BASIC_AUTH", "user:canary")

    assert "canary" not in repr(read_settings())
    assert "canary" not in str(read_settings())
    assert read_settings().secrets == ("canary" * 6, "canary", "user:canary")


def test_a_file_that_is_no_text_is_named(tmp_path, monkeypatch):
    (tmp_path / ".env").write_bytes(b"META_DRAIN_S=\xff\xfe")

    with pytest.raises(BadInput, match=r"^The file \.env in "):
        read_settings()
    assert Path(tmp_path / ".env").exists()


@pytest.mark.parametrize("address", ["https://graph.facebook.com", "http://sandbox:8000", "https://127.0.0.1.example"])
def test_failpoints_are_refused_where_meta_may_be_real(address, monkeypatch):
    monkeypatch.setenv("META_GRAPH_URL", address)
    monkeypatch.setenv("FAILPOINTS", "lane.5-post:kill")

    with pytest.raises(BadInput) as refusal:
        read_settings()
    assert str(refusal.value) == (
        "FAILPOINTS is wrong: it makes processes fail on purpose, which is only for a META_GRAPH_URL on loopback."
    )


def test_failpoints_name_steps_that_exist(monkeypatch):
    monkeypatch.setenv("META_GRAPH_URL", "http://127.0.0.1:8765")
    monkeypatch.setenv("FAILPOINTS", "lane.5-past:kill")

    with pytest.raises(BadInput, match=r"^FAILPOINTS is wrong: there is no step 'lane\.5-past', docs/failpoints\.md"):
        read_settings()
    read_settings.cache_clear()
    monkeypatch.setenv("FAILPOINTS", "lane.5-post:kill,settle.4-conclude:commit-unknown:2")
    assert read_settings().failpoints == "lane.5-post:kill,settle.4-conclude:commit-unknown:2"
