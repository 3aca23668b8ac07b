"""Worker processes: started, asked, and frozen while others compute; and the memory they share.

A frozen worker takes no core from the one that is timed: threads of OpenBLAS spin for 0.11 s after
a product. Each is the leader of a process group, so that what it forks is frozen and ended with it.
Should this process be killed, the kernel ends them: the running ones as they asked for (Linux) or
as their pipe closes, the frozen ones as members of a group that nobody is left to wake (POSIX).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import psutil
import threadpoolctl
from numpy.typing import DTypeLike

from benchmarks.array_types import Array
from benchmarks.errors import (
    LackingError,
    UnavailableError,
    WorkerError,
    WrongLabelsError,
    not_installed,
)
from benchmarks.workers.worker import PLACE, Source

WORKER = Path(__file__).resolve().with_name("worker.py")
MAKING = 600.0  # seconds in which a predictor is made, at the most
ANSWERING = 60.0  # seconds for what takes hardly any, at the most
FAREWELL = 2.0  # seconds in which workers end by themselves
ANY_CORE = -1
ASK, ADDR_NO_RANDOMIZE = 0xFFFFFFFF, 0x0040000  # personality(2)
PROCESS_NBYTES = 40 * 2**20  # of a process with NumPy
# Neither the interpreter that runs this, nor the folder it runs in, says what another one imports.
FOREIGN = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
WATCHING = ("COV_CORE_", "COVERAGE_")  # variables that start coverage in each process


class SharedArray:
    """An array that other processes map, too.

    It begins where NumPy's large arrays do within a page. It has no name that could be left behind:
    it lies in memory (not in ``/dev/shm``, which containers make small), or, on systems other than
    Linux, in a temporary file.
    """

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        nbytes = PLACE + int(np.prod(shape)) * self.dtype.itemsize
        self._file = open_nameless(nbytes)
        self.number = self._file.fileno()
        pages = mmap.mmap(self.number, nbytes)
        self.array: Array = np.frombuffer(pages, dtype, offset=PLACE).reshape(shape)


class Shared(Protocol):
    """What workers read and write: the numbers of its files, and what `Worker.make` asks with."""

    numbers: Sequence[int]
    question: Mapping[str, Any]


def open_nameless(nbytes: int) -> IO[bytes]:
    """Open a file of so many bytes, in memory where the system can."""
    try:
        number = os.memfd_create("linpredict")
    except (AttributeError, OSError):  # not Linux, or forbidden
        file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        if hasattr(os, "posix_fallocate"):  # a full disk raises here, and not later
            os.posix_fallocate(file.fileno(), 0, nbytes)
    else:
        file = open(number, "r+b")  # noqa: SIM115
    os.truncate(file.fileno(), nbytes)
    return file


@contextlib.contextmanager
def addresses_as_before() -> Iterator[None]:
    """Have processes that are started meanwhile no random addresses, where Linux allows it.

    Where even to ask is forbidden, the answer is -1, which asks again.
    """
    personality = getattr(ctypes.CDLL(None), "personality", lambda _: -1)
    before = personality(ASK)
    personality(before | ADDR_NO_RANDOMIZE)
    try:
        yield
    finally:
        personality(before)


def interpreter_options() -> list[str]:
    """Return the options -O, -OO and -X of this process's command line."""
    found, arguments = [], iter(sys.orig_argv[1:])
    for argument in arguments:
        if not argument.startswith("-") or argument in ("-c", "-m"):
            break
        if argument in ("-X", "-W"):
            argument += next(arguments, "")
        if argument.startswith(("-O", "-X")):
            found.append(argument)
    return found


class Worker:
    """A process of an interpreter that times its calls of a predictor.

    It has `variables` beside those of this process, and reads and writes what is `shared`.
    `collects` tells whether Python collects garbage meanwhile. Two of the same `layout` that do the
    same have the same addresses, where the system does not insist on random ones.
    """

    core = ANY_CORE  # on which its last calls began, where the system tells

    def __init__(
        self,
        python: str,
        variables: Mapping[str, str],
        shared: Shared,
        collects: bool = True,
        layout: int = 0,
    ) -> None:
        self.python, self.variables, self.layout = python, variables, layout
        of_other = () if python == sys.executable else FOREIGN
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(WATCHING) and name not in of_other
        }
        self._shared, self._rest, self._n_asked = shared, b"", 0
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # what it prints
        questions, self._questions = os.pipe()
        self._answers, answers = os.pipe()
        numbers = questions, answers, os.getpid(), layout
        command = [python, *interpreter_options(), str(WORKER), *map(str, numbers)]
        if not collects:
            command.append("no-gc")
        try:
            with addresses_as_before():
                self.process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=self._said,
                    stderr=subprocess.STDOUT,
                    env=environment | dict(variables),
                    pass_fds=(questions, answers, *shared.numbers),
                    process_group=0,
                )
        finally:
            os.close(questions)
            os.close(answers)

    def make(self, source: Source, folders: Sequence[Any]) -> None:
        """Make a predictor; its modules are looked for as `benchmarks.gate.baseline.Folders` says.

        Raises
        ------
        WorkerError, LackingError, UnavailableError
            If it fails, if there is no such predictor, or if it cannot run here.
        """
        question = {"make": source, "folders": folders, **self._shared.question}
        try:
            self.ask(question, MAKING)
        except WorkerError as error:
            if error.missing and source.extra:
                raise not_installed(error.missing, source.extra) from error
            raise

    def facts(self) -> dict[str, Any]:
        return self.ask({"facts": threadpoolctl.__file__}, ANSWERING)

    def calls(
        self, starts: Sequence[int], batch_size: int, seconds: float = 0, core: int = ANY_CORE
    ) -> dict[str, Any]:
        """Label batches of examples, at first on a core, for about so many seconds."""
        question = {"starts": list(starts), "batch_size": batch_size, "core": core}
        answer = self.ask(question, ANSWERING + 100 * seconds)
        self.core = answer.get("core", ANY_CORE)
        return answer

    def ask(self, question: dict[str, Any], patience: float) -> dict[str, Any]:
        """Thaw the worker, ask it, and freeze it again."""
        self._n_asked += 1
        answer: dict[str, Any] = {}
        try:
            line = json.dumps(question | {"number": self._n_asked}).encode() + b"\n"
            os.write(self._questions, line)
            self.signal(signal.SIGCONT)
            while answer.pop("number", 0) != self._n_asked:  # an earlier one was given up
                answer = json.loads(self._line(patience))
        except BrokenPipeError:
            raise self._dead() from None
        finally:
            self.signal(signal.SIGSTOP)
        if "error" not in answer:
            return answer
        if answer["error"] == "UnavailableError":
            raise UnavailableError(answer["message"])
        if answer["error"] == "AnswerError":
            raise WrongLabelsError(answer["message"])
        message = answer["message"] or "no message"
        if answer["lacking"]:
            raise LackingError(message)
        sentence = f"{answer['error']}: {message}"
        raise WorkerError(sentence, answer["traceback"], answer["missing"])

    def _line(self, patience: float) -> bytes:
        end = time.monotonic() + patience
        while b"\n" not in self._rest:
            if not select.select([self._answers], [], [], 0.5)[0]:
                if self.has_ended():
                    raise self._dead()
                if time.monotonic() > end:
                    self.kill()
                    raise WorkerError(f"gave no answer within {patience:.0f} s{self._last()}")
            elif more := os.read(self._answers, 2**16):
                self._rest += more
            else:
                raise self._dead()
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def has_ended(self) -> bool:
        """Tell whether it has, without reaping it: its process group keeps its number."""
        if self.process.returncode is not None:
            return True
        how = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.process.pid, how) is not None

    def _dead(self) -> WorkerError:
        wait_until(self.has_ended)
        self.kill()
        status = self.process.returncode
        if status >= 0:
            return WorkerError(f"its process ended with status {status}{self._last()}")
        name = signal.Signals(-status).name
        why = ", as for want of memory" if name == "SIGKILL" else ""
        return WorkerError(f"its process was ended by {name}{why}{self._last()}")

    def _last(self) -> str:
        """Return the last line that it printed, to be added to a sentence."""
        size = os.fstat(self._said.fileno()).st_size
        said = os.pread(self._said.fileno(), 4096, max(0, size - 4096))
        lines = said.decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f" ({last[:200]})" if last else ""

    def children(self) -> list[psutil.Process]:
        """Return the processes that it has started, and those that they have."""
        with contextlib.suppress(psutil.NoSuchProcess):
            found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
            return found
        return []

    def signal(self, number: int) -> None:
        """Send a signal to all its processes."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def dismiss(self) -> None:
        self.signal(signal.SIGCONT)
        for number in (self._questions, self._answers):
            os.close(number)

    def kill(self) -> None:
        """End it, and all that it started."""
        self.signal(signal.SIGKILL)
        self.process.wait()


def wait_until(they_have_ended: Callable[[], bool]) -> None:
    """Let processes end by themselves."""
    latest = time.monotonic() + FAREWELL
    while not they_have_ended() and time.monotonic() < latest:
        time.sleep(0.01)


def has_ended(process: psutil.Process) -> bool:
    """Tell whether it has, also where nobody reaps it, as in many containers."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def end(workers: Sequence[Worker]) -> None:
    """End workers, which may tidy up first.

    What does not end by itself is told to, so that multiprocessing's tracker, which heeds no such
    signal, removes the semaphores of the others.
    """
    started = [child for worker in workers for child in worker.children()]
    for worker in workers:
        worker.dismiss()
    wait_until(lambda: all(worker.has_ended() for worker in workers))
    for worker in workers:
        worker.signal(signal.SIGTERM)
    wait_until(lambda: all(map(has_ended, started)))
    for worker in workers:
        worker.kill()
