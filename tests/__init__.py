import os
import signal

# The tests may run under pytest-xdist, and on GitHub; what they start does not.
ENVIRONMENT = {k: v for k, v in os.environ.items() if "XDIST" not in k and "GITHUB" not in k}


def heed_interrupts() -> None:
    """Undo what a shell does to its background jobs, in a process before it begins."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
