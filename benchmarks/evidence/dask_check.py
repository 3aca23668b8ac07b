"""Measure what Dask costs on one machine: blocks of examples on its workers, and in one process.

``python -m benchmarks.evidence.dask_check`` labels 1,024 examples that the workers hold in blocks
of 256, in turns with one process on the same cores, at 64 classes × 262,144 features (5 GiB), and
prints the median ratio of the times, with the least and the greatest.
"""

from __future__ import annotations

import numpy as np

from benchmarks.array_types import Array
from benchmarks.measuring.timing import timed
from benchmarks.predictors.dask import local_cluster, to_each_worker
from linpredict import LinearPredictor

CLASSES, FEATURES, SAMPLES, BLOCK = 64, 262_144, 1024, 256
ROUNDS = 9


def draw(n_rows: int, seed: int) -> Array:
    return np.random.default_rng(seed).standard_normal((n_rows, FEATURES))


def main() -> None:
    from dask.distributed import wait

    predictor = LinearPredictor(draw(CLASSES, 0))
    x = draw(BLOCK, 1)
    n_blocks = SAMPLES // BLOCK
    with local_cluster() as client:
        models = list(to_each_worker(client, predictor).items())
        placed = [models[i % len(models)] for i in range(n_blocks)]
        held = [client.submit(draw, BLOCK, i, workers=of[0]) for i, of in enumerate(placed)]
        wait(held)

        def on_workers() -> None:
            tasks = [
                client.submit(LinearPredictor.predict, model, block, workers=worker, pure=False)
                for (worker, model), block in zip(placed, held, strict=True)
            ]
            client.gather(tasks)

        def in_one_process() -> None:
            for _ in range(n_blocks):
                predictor.predict(x)

        ratios = [timed(on_workers)[0] / timed(in_one_process)[0] for _ in range(ROUNDS)]
    low, median, high = np.percentile(ratios, (0, 50, 100))
    print(
        f"on {len(models)} workers {median:.2f} ({low:.2f} to {high:.2f}) times as long as in one"
    )


if __name__ == "__main__":
    main()
