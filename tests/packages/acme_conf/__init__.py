"""A Pyramid application whose settings come from INI files that include each other."""

from __future__ import annotations

from pyramid.config import Configurator
from pyramid.response import Response


def main(global_config, **settings):
    with Configurator(settings=settings) as config:
        config.add_route("greeting", "/greeting")
        config.add_view(lambda request: Response(request.registry.settings["greeting"]), route_name="greeting")
        return config.make_wsgi_app()


def greeting_filter(global_config, **settings):
    def wrap(app):
        def filtered(environ, start_response):
            environ["PATH_INFO"] = "/greeting"
            return app(environ, start_response)

        return filtered

    return wrap


def urlmap(loader, global_config, **settings):
    return {path: loader.get_app(name, global_conf=global_config) for path, name in settings.items()}
