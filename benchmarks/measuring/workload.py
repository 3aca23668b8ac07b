"""The workload: how many examples of how many features and classes, or whose."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import pytest

from benchmarks.array_types import ITEMSIZE
from benchmarks.saving.record import CaseId


@dataclass(frozen=True)
class Workload:
    """Examples (n_samples, n_features) for a linear classifier, random where nothing is named.

    `examples` and `weights` say in a few characters what they are where they are the user's own.
    Without weights there is a model of the user's, of which only the number of examples is known,
    and the others are 0 and "".
    """

    n_classes: int = 64
    n_features: int = 262_144
    n_samples: int = 1024
    dtype: str = "float64"
    examples: str = ""
    weights: str = ""

    @classmethod
    def of(cls, config: pytest.Config) -> Workload:
        """Return the workload that was made of the command line."""
        return config.stash[WORKLOAD]

    @classmethod
    def asked_for(cls, config: pytest.Config) -> Workload:
        """Return the random workload that the command line asks for."""
        asked = {f"n_{name}": config.getoption(name) for name in ("classes", "features", "samples")}
        asked["dtype"] = config.getoption("dtype")
        return cls(**{key: value for key, value in asked.items() if value})

    def __str__(self) -> str:
        """Name the workload in a few characters, as in ``64x262144x1024-float64``."""
        if not self.has_weights:
            return self.examples
        own = [name.rpartition("-")[2] for name in (self.weights, self.examples) if name]
        return "-".join([f"{self.n_classes}x{self.n_features}x{self.n_samples}-{self.dtype}", *own])

    @property
    def has_weights(self) -> bool:
        return self.n_classes > 0

    def case(self, predictor: str, batch_size: int) -> CaseId:
        known = {key: value for key, value in asdict(self).items() if value}
        return CaseId(predictor=predictor, batch_size=batch_size, **known)

    @classmethod
    def of_case(cls, case: CaseId) -> Workload:
        """Return the workload of a saved case, which lacks what is not known."""
        return cls(
            case.n_classes or 0, case.n_features or 0, case.n_samples,
            case.dtype or "", case.examples or "", case.weights or "",
        )  # fmt: skip

    @property
    def nbytes(self) -> int:
        """Bytes of examples, weights, and their scores."""
        values = (self.n_samples + self.n_classes) * self.n_features
        return (values + 2 * self.n_samples * self.n_classes) * ITEMSIZE.get(self.dtype, 0)

    @property
    def weights_nbytes(self) -> int:
        return self.n_classes * self.n_features * ITEMSIZE.get(self.dtype, 0)


WORKLOAD = pytest.StashKey[Workload]()
