"""The pool of threads under sanitizers."""

import shutil
import subprocess
from pathlib import Path

import pytest

from linpredict.c.compile import find_compilers

POOL = Path(__file__).parents[1] / "linpredict" / "c" / "pool.h"

# Callers that come at once share jobs of different sizes, each a sum of numbers taken one by one;
# meanwhile the process forks, and the child shares a job, too.
HARNESS = """
#include "pool.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { CALLERS = 4, JOBS = 300, NUMBERS = 200, FORKS = 5 };
typedef struct { Job job; int64_t taken, sums[8]; } Sum;

static void
work(Job *job, int64_t number)
{
    Sum *sum = (Sum *)job;
    int64_t k;
    while ((k = __atomic_fetch_add(&sum->taken, 1, __ATOMIC_RELAXED)) < NUMBERS)
        sum->sums[number] += k;
}

static void
call(int64_t n_threads)
{
    Sum *sum = calloc(1, sizeof *sum); /* gone when the job is done */
    int64_t total = 0;
    sum->job.work = work;
    share(&sum->job, n_threads);
    for (int64_t k = 0; k < n_threads; k++)
        total += sum->sums[k];
    if (total != NUMBERS * (NUMBERS - 1) / 2) {
        printf("%ld threads: %ld\\n", (long)n_threads, (long)total);
        _exit(1);
    }
    free(sum);
}

static void *
caller(void *first)
{
    for (int64_t k = 0; k < JOBS; k++)
        call(1 + ((int64_t)first + k) % 7);
    return NULL;
}

int
main(int argc, char **argv)
{
    pthread_t callers[CALLERS];
    for (int64_t k = 0; k < CALLERS; k++)
        pthread_create(&callers[k], NULL, caller, (void *)k);
    for (int64_t k = 0; argc > 1 && k < FORKS; k++) {
        int status;
        usleep(1000);
        pid_t child = fork();
        if (!child) {
            call(3);
            _exit(0);
        }
        waitpid(child, &status, 0);
        if (status)
            return 1;
    }
    for (int64_t k = 0; k < CALLERS; k++)
        pthread_join(callers[k], NULL);
    puts("done");
    return 0;
}
"""


@pytest.mark.parametrize(
    ("sanitizer", "arguments"),
    [("thread", []), ("address,undefined", []), ("undefined", ["and fork"])],
    ids=["thread", "address", "fork"],
)
def test_sanitizer(tmp_path: Path, sanitizer: str, arguments: list[str]) -> None:
    """Not all bear a fork: ThreadSanitizer ends a child that starts threads, and the lock of
    AddressSanitizer's allocator stays locked in a child (3 of 74 runs hung).
    """
    shutil.copy(POOL, tmp_path)
    source, program = tmp_path / "harness.c", tmp_path / "harness"
    source.write_text(HARNESS)
    compiler = shutil.which("gcc") or shutil.which("clang") or find_compilers()[0][0]
    flags = ["-O1", "-g", "-pthread", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all"]
    made = subprocess.run(
        [compiler, "-D_GNU_SOURCE", *flags, str(source), "-o", str(program)],
        capture_output=True, text=True,
    )  # fmt: skip
    if made.returncode:
        pytest.skip(f"{compiler} has no -fsanitize={sanitizer}: {made.stderr[-200:]}")
    # Without randomization, which newer kernels do more of than older sanitizers can bear.
    fixed = ["setarch", "-R"] if shutil.which("setarch") else []
    done = subprocess.run(
        [*fixed, str(program), *arguments], capture_output=True, text=True, timeout=60
    )
    if "unexpected memory mapping" in done.stderr or "setarch:" in done.stderr:
        pytest.skip(done.stderr[-200:])
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
