"""The workload: how many examples of how many features and classes."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import pytest

from benchmarks.array_types import ITEMSIZE
from benchmarks.saving.record import CaseId


@dataclass(frozen=True)
class Workload:
    """Examples (n_samples, n_features) for a linear classifier of random weights."""

    n_classes: int = 64
    n_features: int = 262_144
    n_samples: int = 1024
    dtype: str = "float64"

    @classmethod
    def of(cls, config: pytest.Config) -> Workload:
        """Return the workload that the command line asks for."""
        return cls(*map(config.getoption, ("classes", "features", "samples", "dtype")))

    def __str__(self) -> str:
        """Name the workload in a few characters, as in ``64x262144x1024-float64``."""
        return f"{self.n_classes}x{self.n_features}x{self.n_samples}-{self.dtype}"

    def case(self, predictor: str, batch_size: int) -> CaseId:
        return CaseId(predictor=predictor, batch_size=batch_size, **asdict(self))

    @property
    def nbytes(self) -> int:
        """Bytes of examples, weights, and their scores."""
        values = (self.n_samples + self.n_classes) * self.n_features
        return (values + 2 * self.n_samples * self.n_classes) * ITEMSIZE[self.dtype]

    @property
    def weights_nbytes(self) -> int:
        return self.n_classes * self.example_nbytes

    @property
    def example_nbytes(self) -> int:
        return self.n_features * ITEMSIZE[self.dtype]
