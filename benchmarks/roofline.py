"""The least possible latency of a batch, from two ceilings of a machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

ITEMSIZE = {"float32": 4, "float64": 8}
NUMPYS_BEST = "NumPy's best"  # in place of a limit, without a compiler


@dataclass(frozen=True)
class Roofline:
    """A workload on a machine that reads and computes no faster than so.

    A batch takes the time to read weights and examples once, or that of the multiplications and
    additions, whichever is longer (Williams, Waterman and Patterson, Communications of the ACM 52,
    2009).
    """

    n_classes: int
    n_features: int
    dtype: str  # of the examples
    precision: str  # of the weights as they are read, and of the arithmetic
    name: str  # "limit", or `NUMPYS_BEST` where other libraries may exceed it
    bandwidth: float  # bytes read per second
    flop_rate: float  # multiplications and additions per second

    def bytes(self, batch_size: float) -> float:
        """Return the bytes of the weights and a batch."""
        of_weights = self.n_classes * ITEMSIZE[self.precision]
        return (of_weights + batch_size * ITEMSIZE[self.dtype]) * self.n_features

    def flops(self, batch_size: float) -> float:
        """Return the multiplications and additions."""
        return 2 * self.n_classes * self.n_features * batch_size

    def seconds(self, batch_size: float) -> float:
        """Return the least possible latency."""
        return max(self.bytes(batch_size) / self.bandwidth, self.flops(batch_size) / self.flop_rate)

    @property
    def knee(self) -> float:
        """The batch size, not rounded, from which on arithmetic decides; infinity if never."""
        of_weights = self.bytes(0) / self.bandwidth
        of_example = self.bytes(1) / self.bandwidth - of_weights
        spare = self.flops(1) / self.flop_rate - of_example
        return of_weights / spare if spare > 0 else math.inf


def best(rooflines: Sequence[Roofline]) -> Roofline:
    """Return the higher ceilings of one workload and precision on one machine."""
    return replace(
        rooflines[0],
        bandwidth=max(roofline.bandwidth for roofline in rooflines),
        flop_rate=max(roofline.flop_rate for roofline in rooflines),
    )
