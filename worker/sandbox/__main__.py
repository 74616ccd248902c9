"""``python -m worker.sandbox``: the sandbox alone."""

from __future__ import annotations

import argparse
import contextlib
import sys

from worker.sandbox import serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m worker.sandbox", description=__doc__)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; anybody who reaches it is in control"
    )
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--latency", type=float, default=0.2, metavar="SECONDS", help="until a handle is finished")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--items", type=int, default=300, help="about how many items the sample feed has")
    given = parser.parse_args()
    where = f"http://{given.host}:{given.port}"
    sys.stderr.write(f"Graph API {where}, sample feed {where}/store/feed.csv, control {where}/_sandbox\n")
    try:
        with contextlib.suppress(KeyboardInterrupt):
            serve(given.host, given.port, latency_s=given.latency, seed=given.seed, sample_items=given.items)
    except OSError as error:
        sys.stderr.write(f"Cannot listen on {given.host} port {given.port}: {error.strerror}.\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
