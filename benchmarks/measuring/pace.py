"""How fast all cores compute together: a host may give two of them one of its own for seconds."""

from __future__ import annotations

import math
from collections.abc import Callable

from benchmarks.measuring.disturbance import Patience
from benchmarks.measuring.timing import rest

SLOWER = 1.3  # times, than the best of the run
LOOKS = 3  # of 10 ms, as one alone may be slow by chance


class Pace:
    """The rate at which all usable cores multiply and add in registers, now and then.

    `rate` measures it. No counter of the system tells that the host's cores are fewer or slower
    than they were. On 2 virtual cores of a Zen 4 products took 1.8 times as long for 7 of 240 s,
    and the rate fell to 1/1.4 to 1/1.9 in these.
    """

    def __init__(self, rate: Callable[[], float]) -> None:
        self._rate, self._best = rate, 0.0
        self._in_vain = False  # waited for

    def look(self) -> float:
        """Return the rate of this moment; one that is not low where own threads spin on."""
        if not rest():
            return self._best or math.inf
        rate = 0.0
        for _ in range(LOOKS):
            rate = max(rate, self._rate())
            self._best = max(self._best, rate)
            if not self.is_low(rate):
                break
        return rate

    def is_low(self, rate: float) -> bool:
        """Tell whether a rate is low beside the best of the run."""
        return rate * SLOWER < self._best

    def wait(self, patience: Patience) -> float:
        """Wait until the rate is not low, and return it.

        After waiting in vain it is not waited again before the rate has been better.
        """
        rate = self.look()
        while self.is_low(rate) and patience.left > 0 and not self._in_vain:
            patience.pause("until all cores compute as fast as before")
            rate = self.look()
        self._in_vain = self.is_low(rate)
        return rate
