"""``python -m websauna_migrate.template`` prints the folder of the cookiecutter template."""

from __future__ import annotations

from websauna_migrate.packages.template import template_path

if __name__ == "__main__":
    print(template_path())
