"""Where Chromium is. On a Debian machine where that is allowed it is installed first: the tests set up what they need."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium", "fonts-liberation")


def found() -> str:
    return next((path for name in NAMES if (path := shutil.which(name))), "")


@cache
def chromium() -> str:
    """Path of the executable; skips where there is none and none may be installed, but on CI, where that is a failure."""
    path = found() or (_installed() if shutil.which("apt-get") and os.geteuid() == 0 else "")
    if path:
        return path
    if os.environ.get("CI"):
        pytest.fail("there is no Chromium on this machine, and apt-get could not install it")
    pytest.skip("there is no Chromium on this machine: apt-get install chromium")


def _installed() -> str:
    """By one process of the tests; the others wait for it."""
    import fcntl  # Not on Windows, where there is no apt-get either.

    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    with (Path(tempfile.gettempdir()) / "fiscus-chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found():
            for command in (("update",), ("install", "-y", "--no-install-recommends", *PACKAGES)):
                subprocess.run(["apt-get", "-qq", *command], env=environment, stdout=subprocess.DEVNULL)
    return found()
