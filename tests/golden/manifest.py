"""All golden captures: those of every module of scenes/, and nobody edits a list."""

import importlib
import pkgutil

from tests.golden import scenes
from tests.golden.golden import Golden

GOLDENS: tuple[Golden, ...] = tuple(
    golden
    for module in sorted(found.name for found in pkgutil.iter_modules(scenes.__path__))
    for golden in importlib.import_module(f"{scenes.__name__}.{module}").GOLDENS
)
