# SPDX-License-Identifier: Apache-2.0
"""``python -m qiskit_parallel_ionq.emulator``: serve until Ctrl-C."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence

from .service import LocalIonQ


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve, after printing where and with which key."""
    options = vars(_parser().parse_args(arguments))
    with LocalIonQ(**options) as service:
        print(f"IONQ_API_URL={service.url}")
        print(f"IONQ_API_KEY={service.api_key}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(f"Served {service.stats().requests} requests.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m qiskit_parallel_ionq.emulator", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=0, help="where to listen on 127.0.0.1; 0 picks a free port"
    )
    parser.add_argument("--seed", type=int, help="makes every sampled result repeatable")
    parser.add_argument("--round-trip", type=float, default=0.0, help="seconds added to each request")
    parser.add_argument("--execution-time", type=float, default=0.0, help="seconds each circuit runs")
    parser.add_argument("--queue-time", type=float, default=0.0, help="seconds before a circuit may start")
    parser.add_argument("--running-slots", type=int, help="circuits that run at once; no limit by default")
    parser.add_argument("--serial-children", action="store_true", help="run a job's circuits one by one")
    parser.add_argument(
        "--rate-limit", type=float, help="requests per second before a 429; no limit by default"
    )
    parser.add_argument("--burst", type=int, help="requests that may come at once under a rate limit")
    parser.add_argument("--control-flow", action="store_true", help="run if/else in OpenQASM 3 jobs")
    parser.add_argument("--artifacts-only", action="store_true", help="publish no legacy result URLs")
    return parser


if __name__ == "__main__":
    main()
