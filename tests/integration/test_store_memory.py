"""What an answer costs in memory, measured in a process of its own."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.project.checkout import ROOT

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Memory is read from Linux's /proc."),
]

_MB = 1 << 20

# Reads one answer, whose packed body comes in network chunks, and tells what it gave and by how much memory grew.
_READER = """
import json, re, sys
from pathlib import Path

import httpx

from worker.errors import ShelfbeatError
from worker.stores.http import StoreHttp


class Chunks(httpx.SyncByteStream):
    def __init__(self, path):
        self.path = path

    def __iter__(self):
        with open(self.path, "rb") as file:
            while chunk := file.read(65536):
                yield chunk


class Sink:
    size = 0

    def write(self, piece):
        self.size += len(piece)


def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024


def read(path):
    sink, headers = Sink(), {"content-encoding": "gzip"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, stream=Chunks(path)))
    http = StoreHttp(transport=transport)
    try:
        if how == "download":
            http.download("https://shop.example/feed.csv", sink, {})
        else:
            sink.write(http.post("https://shop.example/api", b"{}").body)
    except ShelfbeatError as error:
        return sink.size, str(error)
    return sink.size, None


how, small, large = sys.argv[1:]
read(small)
before = peak()
size, error = read(large)
print(json.dumps({"size": size, "error": error, "grown": peak() - before}))
"""


def reading(tmp_path: Path, how: str, body: bytes) -> dict[str, object]:
    for name, content in (("small", b"id,title\n"), ("large", body)):
        (tmp_path / name).write_bytes(gzip.compress(content, 6))
    done = subprocess.run(
        [sys.executable, "-c", _READER, how, str(tmp_path / "small"), str(tmp_path / "large")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.mark.invariant("I14")
@pytest.mark.fault("S18")
@pytest.mark.parametrize(
    ("how", "says", "most"),
    [
        ("download", "https://shop.example/feed.csv is larger than a feed may be.", 4 * _MB),
        # The body of a call is kept: as much of it as no bomb can be told by yet.
        ("post", "The answer of https://shop.example/api broke off or is not acceptable.", 32 * _MB),
    ],
)
def test_a_bomb_is_refused_and_takes_no_memory(tmp_path: Path, how: str, says: str, most: int) -> None:
    read = reading(tmp_path, how, b" " * (100 * _MB))
    assert read["error"] == says
    assert isinstance(read["grown"], int)
    assert read["grown"] < most


def test_a_packed_feed_of_any_size_passes_through_little_memory(tmp_path: Path) -> None:
    body = b"".join(b"sku-%d,Shirt number %d,%d.00 USD,in stock\n" % (n, n, n % 90) for n in range(400_000))
    read = reading(tmp_path, "download", body)
    assert (read["size"], read["error"]) == (len(body), None)
    assert isinstance(read["grown"], int)
    assert read["grown"] < 4 * _MB
