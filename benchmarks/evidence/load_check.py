"""Hold the simulation of ``load.py`` against a server: the same load, simulated and sent.

``python -m benchmarks.evidence.load_check`` serves requests that come at random, by the policy of
`benchmarks.simulation`, with a stand-in for a predictor: it sleeps 10 ms and 5 more for each
example. A line for each load, about 10 s each.
"""

from __future__ import annotations

import queue
import threading
import time

import numpy as np

from benchmarks.simulation import REQUESTS, Server
from benchmarks.wording.quantities import quantity

SIZES, LARGEST = (1, 2, 4, 8), 8
SECONDS = 10.0


def label(n_samples: int) -> float:
    start = time.perf_counter()
    time.sleep(0.010 + 0.005 * n_samples)
    return time.perf_counter() - start


def send(rate: float, wait: float) -> list[float]:
    """Send requests for so long, and return their response times in seconds."""
    waiting: queue.SimpleQueue[float] = queue.SimpleQueue()
    arrivals = np.random.default_rng(0).exponential(1 / rate, int(rate * SECONDS)).cumsum()
    responses: list[float] = []

    def serve() -> None:
        while len(responses) < len(arrivals):
            batch = [waiting.get()]
            while len(batch) < LARGEST:
                try:
                    left = batch[0] + wait - time.perf_counter()
                    batch.append(waiting.get(timeout=max(0.0, left)))
                except queue.Empty:
                    break
            label(len(batch))
            responses.extend(time.perf_counter() - arrival for arrival in batch)

    server = threading.Thread(target=serve)
    server.start()
    start = time.perf_counter()
    for arrival in arrivals:
        time.sleep(max(0.0, start + arrival - time.perf_counter()))
        waiting.put(time.perf_counter())
    server.join()
    return responses


def main() -> None:
    simulated = Server({size: [label(size) for _ in range(30)] for size in SIZES})
    for rate in (60.0, 120.0):
        for wait in (0.0, 0.03):
            measured = send(rate, wait)
            served = simulated.serve(rate, LARGEST, REQUESTS, wait=wait)
            said = [
                f"p{p} {quantity(float(np.percentile(measured, p)), 's')}, "
                f"simulated {quantity(served.p(p), 's')}"
                for p in (50, 99)
            ]
            print(f"{rate:g} requests/s, wait {quantity(wait, 's')}: {'; '.join(said)}", flush=True)


if __name__ == "__main__":
    main()
