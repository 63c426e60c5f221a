"""Settings that every test shares. Helpers beside this file import by name: ``pythonpath = ["tests"]`` in pyproject."""

from hypothesis import settings

settings.register_profile("fiscus", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("fiscus")
