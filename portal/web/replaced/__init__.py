"""The routes of the systems that this one replaces, so that their callers change a host name. One file a system."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Registers them, each at the addresses that it had."""
    from portal.web.replaced.imqs import bp as imqs

    for blueprint in (imqs,):
        app.register_blueprint(blueprint)
