"""The limit: the least latency that a batch can have on a machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from benchmarks.array_types import ITEMSIZE, PRECISION, READ_AS

Count = Annotated[int, msgspec.Meta(gt=0, lt=10**18)]
Figure = Annotated[float, msgspec.Meta(gt=0, lt=1e18)]
Dtype = Annotated[str, msgspec.Meta(pattern=f"^({'|'.join(ITEMSIZE)})$")]
Precision = Annotated[str, msgspec.Meta(pattern=f"^({'|'.join(PRECISION)})$")]
ReadAs = Annotated[str, msgspec.Meta(pattern=f"^({'|'.join(READ_AS)})$")]


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """The limit of a workload on a machine that reads and computes no faster than so.

    A batch takes the time to read weights and examples once, or that of the multiplications and
    additions, whichever is longer (Williams, Waterman and Patterson, "Roofline", Communications of
    the ACM 52, 2009).
    """

    n_classes: Count
    n_features: Count
    dtype: Dtype  # of the examples
    precision: Precision  # of the arithmetic
    read_as: ReadAs | None = None  # the weights, for some batches at least; None for `precision`
    bandwidth: Figure  # bytes read per second
    flop_rate: Figure  # multiplications and additions per second

    def bytes(self, batch_size: float) -> float:
        """Bytes of the weights and a batch."""
        of_weights = self.n_classes * READ_AS[self.read_as or self.precision]
        return (of_weights + batch_size * ITEMSIZE[self.dtype]) * self.n_features

    def flops(self, batch_size: float) -> float:
        """Multiplications and additions."""
        return 2 * self.n_classes * self.n_features * batch_size

    def seconds(self, batch_size: float) -> float:
        """Return the least latency of a batch."""
        return max(self.bytes(batch_size) / self.bandwidth, self.flops(batch_size) / self.flop_rate)

    @property
    def knee(self) -> float:
        """The batch size, not rounded, from which on arithmetic decides; infinity if never."""
        of_weights = self.bytes(0) / self.bandwidth
        of_example = self.bytes(1) / self.bandwidth - of_weights
        spare = self.flops(1) / self.flop_rate - of_example
        return of_weights / spare if spare > 0 else math.inf

    def as_saved(self, batch_size: int) -> dict[str, Any]:
        """Return what is saved with a case; `msgspec.convert` makes a limit of it again."""
        return {
            "latency_floor": self.seconds(batch_size),
            "precision": self.precision,
            **({"read_as": self.read_as} if self.read_as else {}),
            "bandwidth": self.bandwidth,
            "flop_rate": self.flop_rate,
            "bytes": self.bytes(batch_size),
            "flops": self.flops(batch_size),
        }


def best(limits: Sequence[Limit]) -> Limit:
    """Return the limit by the higher rates, of one workload and precision on one machine."""
    return msgspec.structs.replace(
        limits[0],
        bandwidth=max(limit.bandwidth for limit in limits),
        flop_rate=max(limit.flop_rate for limit in limits),
    )
