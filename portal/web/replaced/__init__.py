"""The routes of the systems that this one replaces, so that their callers change a host name. One file a system."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Registers them, each at the addresses that it had."""
    from portal.web.replaced.courier import bp as courier
    from portal.web.replaced.green_instances import bp as green_instances
    from portal.web.replaced.imqs import bp as imqs
    from portal.web.replaced.whatapp_go import bp as whatapp_go

    for blueprint in (courier, green_instances, imqs, whatapp_go):
        app.register_blueprint(blueprint)
