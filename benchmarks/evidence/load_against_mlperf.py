"""Prove ``load.py`` by MLPerf's load generator: the same load, simulated and sent.

``pip install -e '.[mlperf]' && python -m benchmarks.evidence.load_against_mlperf
--latency-budget 20ms`` finds the greatest rate of `linpredict.LinearPredictor` at 64 classes ×
262,144 features (``--features``) as ``load.py`` does. Then it sends 30 %, 60 % and 85 % of that
rate to the predictor in this process: LoadGen's scenario "Server" (Reddi et al., "MLPerf Inference
Benchmark", ISCA 2020), and one thread that takes all that wait, at most the largest batch. The
rounds that the simulation draws from are measured just before each. A request's example is the next
row of those that lie in memory, as in ``pytest benchmarks/``.
With ``--wait 5ms`` it waits for a batch to fill until its oldest request has waited so long.
A line for each run is added to ``data/load_against_mlperf.jsonl`` beside this file.
"""

from __future__ import annotations

import argparse
import queue
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

try:
    import mlperf_loadgen as loadgen
except ModuleNotFoundError as error:
    print(f"{error.name} is not installed: pip install -e '.[mlperf]'", file=sys.stderr)
    sys.exit(2)

from benchmarks import cli
from benchmarks.argument_types import duration, positive, waits
from benchmarks.evidence import data_files
from benchmarks.label_check import Predict
from benchmarks.serving import REQUESTS, Server, greatest_rates, smallest_enough
from benchmarks.timing import timed
from benchmarks.units import quantity
from benchmarks.workload import Workload
from linpredict import LinearPredictor

SIZES = tuple(2**i for i in range(8))
ROUNDS = 60
PARTS = (0.3, 0.6, 0.85)


def rotating(predict: Predict, x: NDArray[Any]) -> Callable[[int], object]:
    """Return what labels so many examples, the next ones of `x` at each call."""
    start = 0

    def call(n_samples: int) -> object:
        nonlocal start
        if start + n_samples > len(x):
            start = 0
        start += n_samples
        return predict(x[start - n_samples : start])

    return call


def measure(call: Callable[[int], object]) -> Server:
    """Return a server by the rounds of each batch size, measured in turns."""
    rounds: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(ROUNDS):
        for size, its in rounds.items():
            call(size)  # what a neighbour in the turn left in the caches is not counted
            its.append(timed(call, size)[0])
    return Server(rounds)


def send(
    call: Callable[[int], object],
    rate: float,
    largest: int,
    budget: float,
    seconds: float,
    wait: float = 0.0,
) -> tuple[float, float]:
    """Send requests at random for so many seconds; return their p50 and p99 response times."""
    waiting: queue.SimpleQueue[tuple[int | None, float]] = queue.SimpleQueue()

    def serve() -> None:
        while True:
            request, arrived = waiting.get()
            batch = [request]
            with suppress(queue.Empty):
                while len(batch) < largest and batch[-1] is not None:
                    left = max(0.0, arrived + wait - time.perf_counter())
                    batch.append(waiting.get(timeout=left)[0])
            requests = [request for request in batch if request is not None]
            if requests:
                call(len(requests))
                answers = [loadgen.QuerySampleResponse(request, 0, 0) for request in requests]
                loadgen.QuerySamplesComplete(answers)
            if len(requests) < len(batch):
                return

    def issue(samples: list[Any]) -> None:
        for sample in samples:
            waiting.put((sample.id, time.perf_counter()))

    settings = loadgen.TestSettings()
    settings.scenario = loadgen.TestScenario.Server
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.server_target_qps = rate
    settings.server_target_latency_ns = int(1e9 * budget)
    settings.server_target_latency_percentile = 0.99
    settings.min_duration_ms = int(1000 * seconds)
    server = threading.Thread(target=serve)
    server.start()
    sut = loadgen.ConstructSUT(issue, lambda: None)
    qsl = loadgen.ConstructQSL(1024, 1024, lambda _: None, lambda _: None)
    try:
        with tempfile.TemporaryDirectory(prefix="linpredict-") as folder:
            log = loadgen.LogSettings()
            log.enable_trace = False
            log.log_output = loadgen.LogOutputSettings()
            log.log_output.outdir = folder
            log.log_output.copy_summary_to_stdout = False
            loadgen.StartTestWithLogSettings(sut, qsl, settings, log)
            summary = Path(folder, "mlperf_log_summary.txt").read_text()
    finally:
        loadgen.DestroyQSL(qsl)
        loadgen.DestroySUT(sut)
        waiting.put((None, 0.0))
        server.join()
    p50, p99 = re.findall(r"^(?:50|99)\.00 percentile latency \(ns\) *: (\d+)", summary, re.M)
    return int(p50) / 1e9, int(p99) / 1e9


def main(arguments: list[str] | None = None) -> int:
    """Simulate, send, and print both."""
    parser = argparse.ArgumentParser(description="Prove load.py by MLPerf's load generator.")
    parser.add_argument("--latency-budget", type=duration, default=0.02, metavar="TIME")
    parser.add_argument(
        "--seconds", type=duration, default=20.0, metavar="TIME",
        help="of each rate (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--wait", type=waits, default=(0.0,), metavar="TIMES",
        help="that the server may wait to fill a batch, the best of which is taken: 0,1ms,5ms",
    )  # fmt: skip
    parser.add_argument(
        "--features", type=positive, default=Workload.n_features, help="default: %(default)s"
    )
    data_files.add_out(parser, __file__)
    options = parser.parse_args(arguments)
    workload = Workload(n_features=options.features)
    call = rotating(LinearPredictor(workload.weights()).predict, workload.examples())
    rates = greatest_rates(measure(call), options.latency_budget, options.wait)
    policy = smallest_enough(rates)
    most, (largest, wait) = rates[policy], policy
    if not most:
        print(f"not even single requests stay within {quantity(options.latency_budget, 's')}")
        return 0
    print(f"{most:,.0f} requests/s {policy}", flush=True)
    parts = []
    for part in PARTS:
        rate = part * most
        simulated = measure(call).serve(rate, largest, REQUESTS, wait=wait)
        p50, p99 = send(call, rate, largest, options.latency_budget, options.seconds, wait)
        found = {
            "p50": p50,
            "simulated_p50": simulated.p(50),
            "p99": p99,
            "simulated_p99": simulated.p(99),
        }
        in_words = ", ".join(f"{key} {1e3 * value:.1f} ms" for key, value in found.items())
        print(f"{part:.0%}, {rate:,.0f} requests/s: {in_words}", flush=True)
        parts.append({"part": part, "rate": rate, **found})
    run = {"hardware": data_files.hardware(), "budget": options.latency_budget}
    run |= {"n_features": options.features, "largest": largest, "wait": wait, "parts": parts}
    data_files.add(options.out, run)
    return 0


if __name__ == "__main__":
    cli.run(main)
