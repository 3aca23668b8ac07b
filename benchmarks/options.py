"""The options of ``pytest benchmarks/``."""

from __future__ import annotations

import argparse

import pytest

from benchmarks.array_types import ITEMSIZE
from benchmarks.measuring.workload import Workload
from benchmarks.predictors.by_name import PREDICTORS
from benchmarks.wording.quantities import (
    batch_sizes,
    duration,
    named,
    percentage,
    positive,
    variable,
)


def add(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    default = Workload()
    group = parser.getgroup("linpredict", "latency and throughput against batch size")
    group.addoption(
        "--predictor", action="append", metavar="NAME",
        help=f"what to measure, repeatable: {', '.join(PREDICTORS)}, or "
        "package.module:factory where factory(coef) returns a callable or an object with .predict "
        "(default: formula and packed); with --examples alone package.module:name of a model: a "
        "function predict(X), an object with predict, or a factory without arguments",
    )  # fmt: skip
    group.addoption(
        "--examples", type=named, metavar="SOURCE",
        help="label these: X.npy, or package.module:name of an array, a CSR matrix, a data frame, "
        "a list, a tensor, or of a function without arguments that returns one",
    )  # fmt: skip
    group.addoption(
        "--weights", type=named, metavar="SOURCE",
        help="label by these: W.npy, model.npz with coef and intercept, or package.module:name of "
        "a fitted linear classifier",
    )  # fmt: skip
    group.addoption(
        "--max-differing", type=percentage, default="1%", metavar="PERCENT",
        help="of a model's answers that may depend on the batch, or be others than the baseline's "
        "(default: %(default)s)",
    )  # fmt: skip
    for name in ("classes", "features", "samples"):
        group.addoption(
            f"--{name}", type=positive, metavar="N",
            help=f"number of {name} (default: {getattr(default, f'n_{name}')})",
        )  # fmt: skip
    group.addoption(
        "--batch-sizes", type=batch_sizes, metavar="N,N,…",
        help="batch sizes, between commas (default: 1,2,4 … 1024, as far as there are samples)",
    )  # fmt: skip
    group.addoption(
        "--dtype", choices=tuple(ITEMSIZE),
        help=f"of weights and examples (default: {default.dtype})",
    )  # fmt: skip
    group.addoption(
        "--baseline", metavar="REV",
        help="fail cases that are slower than they were at this commit (a branch, a tag, HEAD~3 …) "
        "of this package or, for package.module:factory, of the repository that it lies in; its "
        "code is run",
    )  # fmt: skip
    group.addoption(
        "--baseline-with", action="append", metavar="REQUIREMENT",
        help="compare with an environment that has this instead, repeatable: 'numpy==2.2.6'",
    )  # fmt: skip
    group.addoption(
        "--baseline-requirements", action="append", metavar="FILE",
        help="compare with an environment that has what this file says, repeatable: requirements "
        "or constraints as pip takes them, what pip freeze says, a pylock.toml",
    )  # fmt: skip
    group.addoption(
        "--baseline-python", type=named, metavar="PATH",
        help="compare with this interpreter's environment",
    )  # fmt: skip
    group.addoption(
        "--baseline-set", action="append", type=variable, metavar="NAME=VALUE",
        help="compare with this environment variable set, repeatable: OPENBLAS_NUM_THREADS=1",
    )  # fmt: skip
    group.addoption(
        "--blame", action="store_true",
        help="where a case is slower or faster, measure each thing that differs alone: which of "
        "the distributions was it?",
    )  # fmt: skip
    group.addoption(
        "--baseline-seconds", type=duration, metavar="SECONDS",
        help="of measuring until all cases are decided, at the most (default: 115, or 5.2 a case "
        "if there are more than 22)",
    )  # fmt: skip
    group.addoption(
        "--max-slowdown", type=percentage, default="5%", metavar="PERCENT",
        help="slowdown from which on a comparison fails a case (default: %(default)s)",
    )  # fmt: skip
    group.addoption(
        "--undecided", choices=("pass", "fail"), default="pass",
        help="what becomes of a case that cannot be decided in its time (default: %(default)s)",
    )  # fmt: skip
    if not pluginmanager.hasplugin("benchmark"):
        # pytest-codspeed alone, or -p no:benchmark: the options in pyproject.toml must still parse.
        for name in ("sort", "columns", "max-time", "precision"):
            group.addoption(f"--benchmark-{name}", help=argparse.SUPPRESS)
