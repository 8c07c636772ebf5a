"""Every stand-in SMS provider: each module here has one, `DIALECT`, and nothing else need know of it."""

import pkgutil
from importlib import import_module

from portal.sandbox.sms.dialect import Dialect


def _found() -> dict[str, Dialect]:
    modules = (import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__))
    dialects: list[Dialect] = [module.DIALECT for module in modules]
    return {one.kind: one for one in sorted(dialects, key=lambda one: one.kind)}


DIALECTS = _found()
