"""An add-on without revisions of its own, on the base that acme.user shares: the application adopts it."""


def includeme(config):
    config.include("websauna_migrate")
    config.add_migration_package("acme.blog", "acme.user.models:Base")
    config.add_route("posts", "/posts")
    config.add_view("acme.blog.views:posts", route_name="posts", renderer="acme.blog:missing.pt")
