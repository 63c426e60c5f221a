"""Settings that every test shares. Helpers beside this file import by name: ``pythonpath = ["tests"]`` in pyproject."""

from hypothesis import Phase, settings

settings.register_profile(
    "fiscus", deadline=None, derandomize=True, print_blob=True, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile("fiscus")
