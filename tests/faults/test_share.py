"""Shares of other systems: no change of rights or times, no locks, no links."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

OPTIONS = ("--self-check", "off", "--ensemble", "1")

SHIM = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

static int refuse(const char *what, int number) {
    const char *log = getenv("SHIM_LOG");
    FILE *file = log ? fopen(log, "a") : NULL;
    if (file) { fprintf(file, "%s\n", what); fclose(file); }
    errno = number;
    return -1;
}
int chmod(const char *p, mode_t m) { return refuse("chmod", EPERM); }
int fchmod(int f, mode_t m) { return refuse("fchmod", EPERM); }
int lchmod(const char *p, mode_t m) { return refuse("lchmod", EPERM); }
int fchmodat(int d, const char *p, mode_t m, int f) { return refuse("fchmodat", EPERM); }
int chown(const char *p, uid_t u, gid_t g) { return refuse("chown", EPERM); }
int fchown(int f, uid_t u, gid_t g) { return refuse("fchown", EPERM); }
int lchown(const char *p, uid_t u, gid_t g) { return refuse("lchown", EPERM); }
int fchownat(int d, const char *p, uid_t u, gid_t g, int f) { return refuse("fchownat", EPERM); }
int flock(int f, int o) { return refuse("flock", FLOCK_ERRNO); }
int link(const char *a, const char *b) { return refuse("link", EPERM); }
int linkat(int d, const char *a, int e, const char *b, int f) { return refuse("linkat", EPERM); }
int symlink(const char *a, const char *b) { return refuse("symlink", EPERM); }
int symlinkat(const char *a, int d, const char *b) { return refuse("symlinkat", EPERM); }
int utime(const char *p, const struct utimbuf *t) { return refuse("utime", EPERM); }
int utimes(const char *p, const struct timeval t[2]) { return refuse("utimes", EPERM); }
int lutimes(const char *p, const struct timeval t[2]) { return refuse("lutimes", EPERM); }
int futimes(int f, const struct timeval t[2]) { return refuse("futimes", EPERM); }
int futimens(int f, const struct timespec t[2]) { return refuse("futimens", EPERM); }
int utimensat(int d, const char *p, const struct timespec t[2], int f) {
    return refuse("utimensat", EPERM);
}
"""


@pytest.fixture(scope="module", params=["ENOSYS", "EOPNOTSUPP", "ENOLCK"])
def share(request, tmp_path_factory):
    """The environment of a process to which files are as on such a share, and its log."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    folder = tmp_path_factory.mktemp("shim")
    source, library, log = (folder / name for name in ("shim.c", "shim.so", "log"))
    source.write_text(SHIM)
    line = ["gcc", "-shared", "-fPIC", "-w", f"-DFLOCK_ERRNO={request.param}"]
    subprocess.run([*line, "-o", str(library), str(source)], check=True)
    return {**os.environ, "LD_PRELOAD": str(library), "SHIM_LOG": str(log)}, log


@pytest.fixture(scope="module")
def call(share, command):
    def go(dataset, out, *options):
        line = command(dataset, out, *OPTIONS, *options)
        return subprocess.run(line, env=share[0], capture_output=True, text=True, check=False)

    return go


def test_everything_is_done_and_done_once(call, share, writers, tmp_path):
    dataset, out = writers.write_dataset(tmp_path / "raw", ("01",)), tmp_path / "out"
    options = ("-w", tmp_path / "work", "--bids-database-dir", tmp_path / "database")
    options += ("--resource-monitor", "--write-graph", "--uncertainty", "--ensemble", "8")
    done = call(dataset, out, *options)
    assert done.returncode == 0, done.stderr
    assert "flock" in share[1].read_text().split(), "the shim was not asked"
    assert "the file system has no locks" in done.stderr
    assert not [path for path in out.rglob(".*") if "tmp" in path.name or "lock" in path.name]
    made = [path for path in out.rglob("*") if path.is_file()]
    assert all(path.stat().st_mode & 0o444 for path in made)
    again = call(dataset, out, *options)
    assert again.returncode == 0 and "complete already" in again.stderr
    # rename over what is there works on such a share
    fresh = call(dataset, out, "-w", tmp_path / "work", "--clean-workdir")
    assert fresh.returncode == 0, fresh.stderr


def test_pages_and_texts_alone(call, writers, tmp_path):
    dataset, out = writers.write_dataset(tmp_path / "raw", ("01",)), tmp_path / "out"
    assert call(dataset, out, "--boilerplate-only").returncode == 0
    assert list(out.glob("sub-01/figures/*.bib"))
