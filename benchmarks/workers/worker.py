"""Make a predictor and time its calls, as another process asks.

It runs under CPython 3.9 or newer with NumPy alone, so that any environment can be measured.
Weights and examples are read from memory that all workers share, and labels are written to such
memory; a model and examples of the user's own are made, and answers compared, in each. Questions
and answers are lines of JSON on pipes of their own: what is measured may print.
"""

from __future__ import annotations

import mmap
import os
import sys

if __name__ == "__main__":
    # Moves what is loaded and allocated from here on.
    layout = int(sys.argv[4])
    moved = mmap.mmap(-1, (1 + layout) * mmap.PAGESIZE), bytearray(16 * layout)
    # The modules beside this one are not those of what is measured.
    sys.path[:] = [p for p in sys.path if os.path.realpath(p or ".") != os.path.dirname(__file__)]

import ctypes
import gc
import importlib.util
import io
import json
import platform
import re
import signal
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.machinery import EXTENSION_SUFFIXES
from time import perf_counter, sleep
from typing import Any, NamedTuple

import numpy as np

Predict = Callable[[Any], Any]
served: Any
SUITE = os.path.abspath(os.path.join(os.path.dirname(__file__), os.pardir, os.pardir))


def import_file(name: str, file: str) -> Any:
    """Import a file by a name that no user's module has: its folder is no place to look for any."""
    spec: Any = importlib.util.spec_from_file_location(name, file)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    served = import_file("linpredict_served", os.path.join(SUITE, "benchmarks", "own", "served.py"))
else:
    from benchmarks.own import served

PR_SET_PDEATHSIG = 1  # prctl(2)
# Seconds before the first call. A thread that wakes up is given an idle core; just thawed, it often
# shared one with a thread of OpenBLAS that spins: of first calls of 0.2 ms, one in ten took 3.7.
NAP = 5e-5
# NumPy's large arrays begin so many bytes past a page, where glibc allocates.
PLACE = 16
LARGE, LARGEST = 2**12, 2**25  # bytes of blocks that have pages of their own: always, at the most
TRIES = 8  # blocks of the largest size that have no pages of their own: another allocator
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # mallopt(3)


class Source(NamedTuple):
    """Where a predictor comes from.

    Its kind is "factory", which gets the weights, "function", of weights and examples, or "model",
    the user's own, which has its weights.
    """

    name: str
    module: str
    attribute: str  # or a path, such as model.predict_proba
    kind: str = "factory"
    extra: str = ""  # of pyproject.toml, that installs its library; "" if it is of none


def make(source: Source, coef: Any = None, intercept: Any = None) -> Predict:
    """Make a predictor, from weights if it is no model.

    Its copies of the weights have pages of their own.

    Raises
    ------
    MissingError
        If there is no such module, or it has no such attribute.
    """
    found = served.find(source.module, source.attribute)
    added = {} if intercept is None else {"intercept": intercept}
    if source.kind == "function":
        return partial(found, coef, **added)
    with own_pages():
        if source.kind == "model":
            return served.predictor_of(found, source.name)  # type: ignore[no-any-return]
        made = found(coef, *added.values())
    predict = getattr(made, "predict", made)
    if not callable(predict):
        raise TypeError(
            f"{source.name} returned a {type(made).__name__}, expected a callable or an object "
            "with .predict; a function that predicts, or a model, is measured on --examples"
        )
    return predict  # type: ignore[no-any-return]


@contextmanager
def own_pages() -> Iterator[None]:
    """Have each block of `LARGE` bytes or more that is allocated meanwhile begin on its own page.

    Larger ones do so anyway. Smaller ones lie where there is room, and a product with weights of
    8 × 4096 that begin at a line of the caches takes 1/1.27 of what it takes elsewhere. Within its
    page a block lies where it lay in the process before, but one more import, another variable or
    a longer path moves it. So the allocator must not decide. Where it is not glibc's, it does.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        yield
        return
    libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    libc.malloc_usable_size.argtypes = libc.free.argtypes = [ctypes.c_void_p]
    libc.malloc_usable_size.restype = ctypes.c_size_t
    libc.mallopt(M_MMAP_THRESHOLD, LARGE)
    libc.mallopt(M_TOP_PAD, 0)
    taken, size, tries = [], LARGEST, TRIES
    while size >= LARGE and tries:  # take all the room that there is
        taken.append(libc.malloc(size))
        if not taken[-1] or libc.malloc_usable_size(taken[-1]) >= size + LARGE - PLACE:  # new pages
            size, tries = size // 2, LARGEST // LARGE
        tries -= 1
    try:
        yield
    finally:
        for block in taken:
            libc.free(block)
        # As where a block of the largest size has been freed: the system's own are no longer known.
        libc.mallopt(M_TOP_PAD, 2**17)
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST)
        libc.mallopt(M_TRIM_THRESHOLD, 2 * LARGEST)


def mapped(number: int, dtype: str, shape: list[int]) -> Any:
    """Return the array in a file, in memory or on disk, by its number."""
    pages = mmap.mmap(number, 0)
    np.frombuffer(pages, np.uint8)[:: mmap.PAGESIZE].max()  # or each first access takes a fault
    return np.frombuffer(pages, dtype, offset=PLACE).reshape(shape)


def current_core() -> int:
    """Return the core that the calling thread runs on; -1 where the system does not tell."""
    try:
        with open("/proc/thread-self/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[36])  # proc_pid_stat(5)
    except OSError:  # not Linux
        return -1


def go_to(core: int) -> int:
    """Continue on a core, if that is allowed, nap, and return the core that calls begin on.

    The system may move the calling thread later.
    """
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if core in cores:
        with suppress(PermissionError):  # of a sandbox
            os.sched_setaffinity(0, {core})
            os.sched_setaffinity(0, cores)
    sleep(NAP)
    return current_core()


class Timed:
    """A predictor whose calls are timed."""

    def __init__(self, predict: Predict, x: Any, labels: Any) -> None:
        self.predict, self.x, self.labels = predict, x, labels

    def calls(self, starts: list[int], batch_size: int, core: int) -> dict[str, Any]:
        """Label batches, at first on a core, and return the seconds of each call, and the core.

        Labels that are none are described instead.
        """
        seconds = []
        core = go_to(core)
        for start in starts:
            batch = self.x[start : start + batch_size]
            begin = perf_counter()
            labels = np.asarray(self.predict(batch))  # what is returned may be a promise
            seconds.append(perf_counter() - begin)
            if labels.shape != (len(batch),) or labels.dtype.kind not in "iu":
                return {"start": start, "dtype": str(labels.dtype), "shape": labels.shape}
            self.labels[start : start + batch_size] = labels
        return {"seconds": seconds, "core": core}


class TimedModel:
    """A model of the user's own, whose calls are timed, and whose answers are compared.

    They are compared with those to all `examples` in one pass, which are written to `answers`, a
    file.
    """

    def __init__(self, predict: Predict, examples: Any, answers: int) -> None:
        self.predict, self.examples = predict, examples
        self.reference = served.answers_of(predict, examples)
        self.magnitude = served.scale(self.reference)
        saved = io.BytesIO()
        np.save(saved, self.reference, allow_pickle=False)
        os.ftruncate(answers, 0)
        os.pwrite(answers, saved.getbuffer(), 0)

    def calls(self, starts: list[int], batch_size: int, core: int) -> dict[str, Any]:
        """Answer to batches, at first on a core.

        Returned are the seconds of each call, the core, and how many rows have another answer.
        """
        batches = [served.batch(self.examples, start, start + batch_size) for start in starts]
        seconds, answers = [], []
        core = go_to(core)
        for batch in batches:
            begin = perf_counter()
            answers.append(served.as_answers(self.predict(batch), batch_size))
            seconds.append(perf_counter() - begin)
        differing = sum(
            int(served.differing(found, self.reference[start:][:batch_size], self.magnitude).sum())
            for start, found in zip(starts, answers)  # noqa: B905  # Python 3.9 knows no strict
        )
        return {"seconds": seconds, "core": core, "differing": differing}


def is_installed(path: str) -> bool:
    """Tell whether a file or folder belongs to Python or to what was installed for it."""
    path = os.path.realpath(path)
    libraries = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    return (
        not {"site-packages", "dist-packages"}.isdisjoint(path.split(os.sep))
        or path.endswith(".zip")
        or any((path + os.sep).startswith(os.path.realpath(p) + os.sep) for p in libraries)
    )


def outside(folders: list[str], tree: str | None) -> list[str]:
    """Return the folders that belong to an installation, or lie outside of a work tree."""
    if not tree:
        return folders
    return [
        folder
        for folder in folders
        if is_installed(folder) or not (os.path.realpath(folder) + os.sep).startswith(tree + os.sep)
    ]


def module_files() -> dict[str, str]:
    """Return the modules that were imported and say what their file is, and its real path."""
    files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    return {name: os.path.realpath(file) for name, file in files.items() if isinstance(file, str)}


def sources() -> dict[str, str]:
    """Return the modules that were imported from files that are not installed, and their files."""
    return {
        name: file
        for name, file in module_files().items()
        # torch.ops says that its file is _ops.py, which is none.
        if os.path.isfile(file) and not is_installed(file)
        if name not in ("__main__", served.__name__)
    }


def extensions() -> dict[str, str]:
    """Return the compiled modules that were imported, and their files.

    Where the system tells (Linux), other libraries count, too, as ctypes and cffi load them.
    """
    found = {
        name: file
        for name, file in module_files().items()
        if file.endswith(tuple(EXTENSION_SUFFIXES))
    }
    with suppress(OSError), open("/proc/self/maps", errors="surrogateescape") as maps:
        mapped = {line.rstrip("\n").split(maxsplit=5)[-1] for line in maps}
        found.update({file: file for file in mapped if file.endswith(".so")})
    return found


def distributions() -> tuple[dict[str, str], dict[str, Any], dict[str, list[str]]]:
    """Return what is installed: versions, where from, and which modules of it were imported.

    The second has what does not come from an index, as its ``direct_url.json`` says:
    https://packaging.python.org/specifications/direct-url
    """
    import importlib.metadata

    installed: dict[str, str] = {}
    origins, loaded = {}, {}
    imported = {name.partition(".")[0] for name in sys.modules}
    for distribution in importlib.metadata.distributions():
        metadata = distribution.metadata  # read from its file each time: a millisecond
        if not metadata or not metadata["Name"]:
            continue
        name = re.sub("[-_.]+", "-", metadata["Name"]).lower()
        if name in installed:  # below another environment
            continue
        installed[name] = metadata["Version"]
        if origin := distribution.read_text("direct_url.json"):
            origins[name] = json.loads(origin)
        # packages_distributions() takes 0.7 to 1.9 s.
        files = (distribution.read_text("RECORD") or "").splitlines()
        if modules := imported & {re.split("[/.,]", file, maxsplit=1)[0] for file in files}:
            loaded[name] = sorted(modules)
    return installed, origins, loaded


def facts(threadpoolctl: str) -> dict[str, Any]:
    """Return what the speed may depend on: versions, BLAS, kernel and variables."""
    installed, origins, loaded = distributions()
    kernel = sys.modules.get("linpredict.kernel")
    return {
        "python": f"{platform.python_version()}{sys.abiflags} ({platform.python_compiler()})",
        "numpy": np.__version__,
        "blas": blas_in_words(threadpoolctl),
        "kernel": str(kernel.kernel()) if kernel else "",
        "distributions": installed,
        "variables": dict(os.environ),
        "sources": sources(),
        "origins": origins,
        "loaded": loaded,
        "extensions": extensions(),
    }


def blas_in_words(threadpoolctl: str) -> str:
    """Describe NumPy's BLAS by what threadpoolctl, whose file is named, finds of it."""
    try:
        blas = blas_info(import_file("threadpoolctl_of_worker", threadpoolctl))
        return "{name} {version}, kernels {architecture}, threads {threads}".format(**blas)
    except Exception:  # a Python that is too old for it, or a BLAS that it does not know
        return "unknown"


def blas_info(threadpoolctl: Any) -> dict[str, Any]:
    """Describe NumPy's BLAS library: its name, version, threads and kernels."""
    found = [each for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas"]
    # SciPy has another.
    own = [library for library in found if "numpy" in library.get("filepath", "")]
    for library in own or found:
        return {
            "name": library["internal_api"],
            "version": library["version"],
            "threads": library["num_threads"],
            "architecture": library.get("architecture"),
        }
    # threadpoolctl does not know this one, Apple's Accelerate for example; or there is none.
    built_with = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    return {"name": built_with.get("name") or "none", "version": built_with.get("version")}


def serve(questions: Any, answers: Any) -> None:
    """Answer until there are no more questions."""
    timed: Timed | TimedModel | None = None
    made_on = ""  # examples of the user's own
    for line in questions:
        question: dict[str, Any] = json.loads(line)
        number = question.pop("number")
        answer: dict[str, Any] = {}
        try:
            if "make" in question:
                first, last, without = question["folders"]
                sys.path[:] = [*first, *outside(sys.path, without), *last]
                source = Source(*question["make"])
                if source.extra:
                    sys.path.insert(0, SUITE)
                if "examples" in question:
                    with own_pages():
                        examples = served.load_examples(question["examples"])
                    made_on = str(served.described(examples))
                    timed = TimedModel(make(source), examples, question["answers"])
                else:
                    x, labels, coef, *intercept = (mapped(*array) for array in question["arrays"])
                    timed = Timed(make(source, coef[:], *intercept), x, labels)
            elif "facts" in question:
                answer = {**facts(question["facts"]), "examples": made_on}
            elif timed:
                answer = timed.calls(**question)
        except (Exception, SystemExit) as error:
            frames = traceback.extract_tb(error.__traceback__)
            own = [frame for frame in frames if frame.filename != __file__]
            answer = {
                "error": type(error).__name__,
                "message": " ".join(str(error).split()),
                "lacking": isinstance(error, served.MissingError),
                "missing": error.name if isinstance(error, ModuleNotFoundError) else None,
                "traceback": [line.rstrip() for line in traceback.format_list(own)],
            }
        answers.write(json.dumps({**answer, "number": number}) + "\n")
        answers.flush()


def main() -> None:
    """Prepare for the end of whoever asks, and serve."""
    reading, writing, parent = map(int, sys.argv[1:4])
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which a frozen group gets when its parent ends
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(f"process {os.getppid()} started it, and not {parent}: a wrapper must exec Python")
    for number in (reading, writing):
        os.set_inheritable(number, False)
    if "no-gc" in sys.argv:
        gc.disable()
    with open(reading) as questions, open(writing, "w") as answers:
        serve(questions, answers)


if __name__ == "__main__":
    main()
