"""Addresses that several blueprints take over as their own, each with the permission that it asks for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

from flask import Blueprint
from flask.typing import ResponseReturnValue

from portal.accounts.permissions import Permission
from portal.web.viewer import demand

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])


@dataclass(frozen=True, slots=True)
class Routes:
    """Recorded once, mounted on every blueprint that shows these pages: the endpoint is the view's name.

    Views and templates name each other relatively, `url_for(".sender", …)`, and so stay on the blueprint they were
    asked on.
    """

    _recorded: list[tuple[str, str, Callable[..., ResponseReturnValue]]] = field(default_factory=list)

    def get(self, rule: str, permission: Permission) -> Callable[[View], View]:
        """A page or a part of one."""
        return self._record("GET", rule, permission)

    def post(self, rule: str, permission: Permission) -> Callable[[View], View]:
        """A deed."""
        return self._record("POST", rule, permission)

    def mount(self, blueprint: Blueprint) -> None:
        """Gives the blueprint all that was recorded so far."""
        for method, rule, view in self._recorded:
            blueprint.add_url_rule(rule, view.__name__, view, methods=[method])

    def _record(self, method: str, rule: str, permission: Permission) -> Callable[[View], View]:
        def take(view: View) -> View:
            @wraps(view)
            def guarded(*args: Any, **values: Any) -> ResponseReturnValue:
                demand(permission)
                return view(*args, **values)

            guarded.permission = permission  # type: ignore[attr-defined]
            self._recorded.append((method, rule, guarded))
            return view

        return take
