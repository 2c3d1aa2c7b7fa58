"""Case 10: a file system on which locks are granted to everybody, claims too, and what others wrote shows late.

A shim between the program and the C library makes one: ``flock`` and ``fcntl`` locks succeed, an exclusive claim is granted to
everybody, and a record cannot be opened before it is a third of a second old. Trials may run twice; records are never wrong or lost.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.test_case_09_many_runs import WORKER, check_all, published, start
from tests.support.studies import start_tuneoff, table, tuneoff, write_study
from tuneoff.store import Store

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

int flock(int fd, int operation) { return 0; }
int lockf(int fd, int command, off_t length) { return 0; }

static int ends(const char *path, const char *end) {
    size_t a = strlen(path), b = strlen(end);
    return a >= b && !strcmp(path + a - b, end);
}

static int too_new(const char *path) {
    struct stat file;
    struct timespec now;
    const char *name = strrchr(path, '/');
    if (!name || strncmp(name, "/attempt-", 9) || !ends(path, ".json") || stat(path, &file)) return 0;
    clock_gettime(CLOCK_REALTIME, &now);
    return (now.tv_sec - file.st_ctim.tv_sec) + (now.tv_nsec - file.st_ctim.tv_nsec) / 1e9 < 0.3;
}

static int opened(const char *name, const char *path, int flags, mode_t mode) {
    int (*next)(const char *, int, ...) = dlsym(RTLD_NEXT, name);
    if (ends(path, "/claim")) flags &= ~O_EXCL;
    if ((flags & O_ACCMODE) == O_RDONLY && too_new(path)) { errno = ENOENT; return -1; }
    return next(path, flags, mode);
}

#define OPEN(name) int name(const char *path, int flags, ...) { \
    va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); return opened(#name, path, flags, mode); }
OPEN(open)
OPEN(open64)
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> str:
    if sys.platform != "linux" or shutil.which("cc") is None:
        pytest.skip("needs Linux and a C compiler")
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-w", "-o", str(folder / "shim.so"), str(folder / "shim.c"), "-ldl"], check=True)
    return str(folder / "shim.so")


def test_duplicates_but_nothing_wrong_or_lost(shim: str, tmp_path: Path) -> None:
    results = tmp_path / "results"
    workers = [start(*WORKER, str(results), "12", "--seconds", "0.05", LD_PRELOAD=shim) for _ in range(4)]
    said = published(workers)
    store = check_all(results, 12)
    kept = [f"{trial}/attempt-{attempt.number}.json" for trial in store.trials() for attempt in store.attempts(trial)]
    assert len(said) == len(set(said)), "no record was published over another"
    assert sorted(said) == sorted(kept), "every acknowledged record is there"
    assert len(kept) > 12, "the shim works: claims were granted to everybody"


@pytest.mark.slow
def test_two_runs_on_such_a_file_system(shim: str, tmp_path: Path) -> None:
    alone = write_study(tmp_path / "alone", ["majority", "full"], seeds=2)
    assert tuneoff("run", alone).returncode == 0
    folder = tmp_path / "study"
    shutil.copytree(alone, folder, ignore=shutil.ignore_patterns("results", "assets", "README*"))
    runs = [start_tuneoff("run", folder, LD_PRELOAD=shim) for _ in range(2)]
    said = [run.communicate(timeout=300) for run in runs]
    assert all(run.returncode in (0, 4) for run in runs), said
    assert tuneoff("run", folder).returncode == 0
    assert not Store(folder / "results").quarantined
    assert table(folder) == table(alone)
