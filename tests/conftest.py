"""Settings that every test shares. Helpers beside this file import by name: ``pythonpath = ["tests"]`` in pyproject."""

import os
import sys
from pathlib import Path

from hypothesis import Phase, settings

settings.register_profile(
    "fiscus", deadline=None, derandomize=True, print_blob=True, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile("fiscus")

if sys.dont_write_bytecode:  # Else each of the many processes of the tests would compile all that it imports again.
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(Path(__file__).parent.parent / "build" / "bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
