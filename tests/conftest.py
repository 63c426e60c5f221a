"""Settings that every test shares. Helpers beside this file import by name: ``pythonpath = ["tests"]`` in pyproject."""

import os
import sys
from pathlib import Path

# Before anything imports NumPy or PyTorch, and for every process that a test starts: tests already run one on each
# processor, and threads that wait for each other there wait for a turn at a processor each time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import Phase, settings

settings.register_profile(
    "fiscus", deadline=None, derandomize=True, print_blob=True, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile("fiscus")

if sys.dont_write_bytecode:  # Else each of the many processes of the tests would compile all that it imports again.
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(Path(__file__).parent.parent / "build" / "bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
