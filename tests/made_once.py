"""What every application in this process would make anew: templates as bytecode, and builders of addresses.

A test has an application of its own. Compiling hundreds of routes and templates for each took most of its time.
"""

from collections.abc import Callable
from typing import Any

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Rule


class Compiled(BytecodeCache):
    """Templates by name and source, for as long as the process lives."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if (kept := self._kept.get(f"{bucket.key}{bucket.checksum}")) is not None:
            bucket.bytecode_from_string(kept)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[f"{bucket.key}{bucket.checksum}"] = bucket.bytecode_to_string()


def begin() -> None:
    """Has all applications of this process share them."""
    Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": Compiled()}
    compile_builder = getattr(Rule, "_compile_builder", None)
    if compile_builder is not None:
        Rule._compile_builder = _when_first_used(compile_builder)


def _when_first_used(compile_builder: Callable[..., Callable[..., Any]]) -> Callable[..., Callable[..., Any]]:
    """Few tests build more than some of the addresses, and werkzeug compiles two functions for each."""

    def compile_later(rule: Rule, append_unknown: bool = True) -> Callable[..., Any]:
        made: list[Callable[..., Any]] = []

        def build(itself: Rule, **values: Any) -> Any:
            if not made:
                made.append(compile_builder(rule, append_unknown))
            return made[0](itself, **values)

        return build

    return compile_later
