"""Greatest load that a predictor carries in a latency budget, simulated from a saved run.

``python benchmarks/load.py RUN.json --latency-budget 20ms`` simulates one server for each predictor
of the run. Requests arrive at random, one by one (Poisson); whenever the server is free, it takes
all that wait, at most a largest batch, and the time it needs is drawn from the rounds that were
measured with as many examples, in stretches, as slow rounds come together. The question is that of
MLPerf's "Server" scenario: the greatest rate of requests whose 99th percentile of response time
stays within the budget (Reddi et al., "MLPerf Inference Benchmark", ISCA 2020). With ``--rate 800``
in place of the budget it says how long the responses to so many requests take.

With ``--wait 0,1ms,5ms`` the server may also wait for a batch to fill, until its oldest request has
waited so long. The best of these waits is named, or with ``--rate`` what each of them gets.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from itertools import chain, cycle
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script, from any folder

from benchmarks import script  # first: it says what matplotlib may read

# isort: split
from matplotlib import style as styling
from matplotlib.figure import Figure

from benchmarks.drawing.files import add_output_options, check_folder, save
from benchmarks.drawing.style import (
    LINE_STYLES,
    STYLE,
    budget_style,
    fitted,
    make_room,
    styles,
    value_ticks,
    with_panels,
)
from benchmarks.saving.record import LEAST_ROUNDS
from benchmarks.saving.runs import Line, read_runs
from benchmarks.simulation import (
    DRAWN_REQUESTS,
    NEAR,
    REQUESTS,
    Policy,
    Server,
    greatest_rates,
    smallest_enough,
)
from benchmarks.wording.quantities import duration, quantity, rate, waits
from benchmarks.wording.sentences import disturbed


def within(server: Server, budget: float, waits: Sequence[float]) -> tuple[str, list[Policy]]:
    """Say which load the server carries within a latency budget; return what to draw, too."""
    rates = greatest_rates(server, budget, waits)
    best, alone = smallest_enough(rates), Policy(1)
    if not rates[best]:
        which = "even single requests" if server.seconds(1, 0.99) > budget else "requests that wait"
        return f"not {which} stay within {quantity(budget, 's')}", []
    return (
        f"{rates[best]:,.0f} requests/s with a p99 within {quantity(budget, 's')}, {best}; "
        "without batching "
        + (f"{rates[alone]:,.0f} requests/s" if alone in rates else "not measured")
        + f"; {server.serve(rates[best], best.largest, REQUESTS, wait=best.wait)}"
    ), [
        *(Policy(best.largest, wait if best.largest > 1 else 0.0) for wait in waits),
        *({alone} & rates.keys()),
    ]


def carried(server: Server, rate: float, waits: Sequence[float]) -> tuple[str, list[Policy]]:
    """Say what a rate gets, for each wait by the best policy; return what to draw, too."""
    sizes = [size for size in server.sizes if server.most(size) > rate]
    if not sizes:
        most = max(server.sizes, key=server.most)
        return (
            f"{rate:,.12g} requests/s are too many: the most are {server.most(most):,.0f}, in "
            f"batches of {most}"
        ), []
    said, policies = [], []
    for wait in waits:
        fillable = [size for size in sizes if size > 1 or not wait] or sizes
        found = {
            Policy(size, wait): server.serve(rate, size, REQUESTS, wait=wait) for size in fillable
        }
        enough = (1 + NEAR) * min(served.p(99) for served in found.values())
        best = min(policy for policy, served in found.items() if served.p(99) <= enough)
        served = found[best]
        said.append(
            f"{rate:,.12g} requests/s get a p50 of {quantity(served.p(50), 's')} and a p99 of "
            f"{quantity(served.p(99), 's')}, {best}; {served}"
        )
        policies.append(best)
    return "\n".join(said), policies


def drawn_policies(server: Server, named: Sequence[Policy]) -> list[Policy]:
    """Return what is drawn: those named, and about six others that do not wait."""
    every = -(-len(server.sizes) // 6)
    return sorted({*named, *(Policy(size) for size in server.sizes[::-every])})


def draw(
    servers: dict[str, Server],
    named: Mapping[str, Sequence[Policy]],
    budget: float | None = None,
    rate: float | None = None,
) -> Figure:
    figure, panels, lowest = with_panels(len(servers), 9, 4, sharey=True)
    policies = {name: drawn_policies(server, named[name]) for name, server in servers.items()}
    sizes, waits = (sorted({*values}) for values in zip(*chain(*policies.values()), strict=True))
    of_size = dict(zip(sizes, styles(), strict=False))
    of_wait = dict(zip(waits, cycle(LINE_STYLES), strict=False))
    for axes, (name, server) in zip(panels, servers.items(), strict=True):
        axes.set(title=f"Response Time under Load: {fitted(name, 60)}", xscale="log", yscale="log")
        axes.set_ylabel("p99 response time (seconds)")
        for largest, wait in policies[name]:
            rates = server.most(largest) * np.array([0.03, 0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9])
            served = [server.serve(rate, largest, DRAWN_REQUESTS, wait=wait) for rate in rates]
            p99 = [its.p(99) for its in served]
            waiting = f", waiting {quantity(wait, 's')}" if wait else ""
            axes.plot(rates, p99, label=f"{largest}{waiting}", **of_size[largest] | of_wait[wait])
        if budget:
            axes.axhline(budget, **budget_style(budget))
        if rate:
            axes.axvline(rate, color="black", linestyle=":", label=f"{rate:,.12g} requests/s")
        value_ticks(axes.yaxis, "s")
        axes.legend(
            title="largest batch", alignment="left", loc="upper left", bbox_to_anchor=(1, 1)
        )
    for axes in lowest:
        axes.set_xlabel("requests per second")
        value_ticks(axes.xaxis)
    make_room(figure)
    return figure


def servers(lines: Sequence[Line]) -> dict[str, Server]:
    several = len({line.workload for line in lines}) > 1
    return {
        f"{line.predictor}, {line.workload}" if several else line.predictor: Server(
            {case.batch_size: case.rounds for case in line.cases}
        )
        for line in lines
        if not line.baseline and all(case.rounds for case in line.cases)
    }


def answered(name: str, server: Server, options: argparse.Namespace) -> list[Policy]:
    """Print what is asked of a server, if it is, and return the policies that it names."""
    said, named = "", list[Policy]()
    if options.latency_budget:
        said, named = within(server, options.latency_budget, options.wait)
    elif options.rate:
        said, named = carried(server, options.rate, options.wait)
    lines, least = said.splitlines(), LEAST_ROUNDS[99]
    if sizes := [str(size) for size in server.sizes if len(server.rounds[size]) < least]:
        lines.append(
            f"a p99 needs {least} rounds, and there are fewer at batch size {', '.join(sizes)}: "
            f"measure longer (--benchmark-min-rounds={least})"
        )
    for line in lines:
        print(f"{name}: {line}", flush=True)
    return named


def say(what: str) -> None:
    """Say on a terminal what is being done: it takes seconds."""
    if sys.stderr.isatty():
        print(what, file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Find the load that a predictor can carry.")
    parser.add_argument("run", type=Path, metavar="RUN.json", help="saved by pytest benchmarks/")
    load = parser.add_mutually_exclusive_group()
    load.add_argument(
        "--latency-budget", type=duration, metavar="TIME",
        help="of the 99th percentile of response times: 20ms, 0.02, 20000us",
    )  # fmt: skip
    load.add_argument(
        "--rate", type=rate, metavar="N", help="requests per second, in place of the budget"
    )
    parser.add_argument(
        "--wait", type=waits, default=(0.0,), metavar="TIMES",
        help="that the server may wait to fill a batch, the best of which is sought: 0,1ms,5ms",
    )  # fmt: skip
    add_output_options(parser)
    options = parser.parse_args(arguments)
    if options.wait != (0.0,) and not (options.latency_budget or options.rate):
        parser.error("--wait needs --latency-budget or --rate to find the best by")
    runs, status = read_runs([options.run])
    if not runs:
        return status
    found = servers(runs[0].lines)
    if not found:
        print(
            f"{options.run}: has no durations of single rounds: save it with --benchmark-json, or "
            "--benchmark-save-data",
            file=sys.stderr,
        )
        return 2
    try:
        check_folder(options.out, ["load"], options.format)
        named = {}
        for name, server in found.items():
            say(f"simulating {name}")
            named[name] = answered(name, server, options)
        for sentence in disturbed([case for line in runs[0].lines for case in line.cases]):
            print(sentence, flush=True)
        say("simulating for the plot")
        with styling.context(["default", STYLE]):
            figure = draw(found, named, options.latency_budget, options.rate)
            save({"load": figure}, options.out, options.format)
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"load drawn in {options.out}")
    return 0


if __name__ == "__main__":
    script.run(main)
