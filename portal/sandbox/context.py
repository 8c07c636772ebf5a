"""The sandbox that the request at hand belongs to: several may run in one process, as in tests."""

from typing import TYPE_CHECKING, cast

from flask import Flask, current_app

if TYPE_CHECKING:
    from portal.sandbox.app import Sandbox

NAME = "sandbox"


def bind(app: Flask, owner: "Sandbox") -> None:
    """Ties the app to its sandbox."""
    app.extensions[NAME] = owner


def sandbox() -> "Sandbox":
    """The sandbox of the current app."""
    return cast("Sandbox", current_app.extensions[NAME])
