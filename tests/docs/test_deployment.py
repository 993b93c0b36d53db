"""The files of "Deploy" and "Set up continuous integration" are valid when copied, and run what the pages run."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from websauna_migrate.packages.template import template_path
from websauna_migrate.scripts.parser import build_parser, parse

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
CAPTIONED = re.compile(r"^   :caption: (\S+)\n((?:   .*\n|\n)+)", re.MULTILINE)


def files(page):
    text = (HOW_TO / f"{page}.rst").read_text(encoding="utf-8") + "\n"
    return {name: dedent(block).strip("\n") + "\n" for name, block in CAPTIONED.findall(text)}


def understood(argv):
    """Return the options of a command line, which ``ws-alembic`` has to understand."""
    assert Path(argv[0]).name == "ws-alembic"
    return parse(build_parser(), argv[1:])


def steps_of_the_page():
    text = (HOW_TO / "continuous-integration.rst").read_text(encoding="utf-8")
    return re.findall(r"(?m)^   \$ (ws-alembic .*)$", text)


def test_the_job_of_kubernetes_upgrades_once_and_the_pods_wait_for_it():
    job, deployment = (yaml.safe_load(files("deploy")[name]) for name in ("job.yaml", "deployment.yaml"))
    [upgrade] = job["spec"]["template"]["spec"]["containers"]
    assert (job["kind"], understood(upgrade["command"]).subcommand) == ("Job", "upgrade")
    pod = deployment["spec"]["template"]["spec"]
    [check] = pod["initContainers"]
    options = understood(check["command"])
    assert (options.subcommand, options.check, options.allow_ahead, options.wait) == ("status", True, True, 60)
    assert pod["containers"][0]["env"] == check["env"]


def test_the_unit_of_systemd_upgrades_before_the_start():
    unit = configparser.RawConfigParser(strict=True)
    unit.read_string(files("deploy")["shop.service"])
    assert understood(shlex.split(unit["Service"]["ExecStartPre"])).subcommand == "upgrade"


@pytest.mark.parametrize("name", ["Dockerfile", "docker-entrypoint.sh"])
def test_what_the_page_shows_is_what_the_template_has(name):
    [path] = template_path().glob(f"*/{name}")
    text = path.read_text(encoding="utf-8").replace("{{ cookiecutter.package_name }}", "demo_shop")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert "\n".join(lines).strip() == files("deploy")[name].strip()


def test_both_pipelines_run_what_the_page_runs():
    pipelines = files("continuous-integration")
    github = yaml.safe_load(pipelines[".github/workflows/test.yml"])["jobs"]["test"]["steps"]
    gitlab = yaml.safe_load(pipelines[".gitlab-ci.yml"])["test"]["script"]
    assert len(steps_of_the_page()) == 4
    for script in ([step["run"] for step in github if "run" in step], gitlab):
        assert script == ['pip install -e ".[test]"', "pytest", *steps_of_the_page()]


def test_both_pipelines_look_at_what_a_branch_adds():
    pipelines = files("lint")
    github = yaml.safe_load(pipelines[".github/workflows/lint.yml"])["jobs"]["lint"]["steps"]
    gitlab = yaml.safe_load(pipelines[".gitlab-ci.yml"])["lint"]["script"]
    for script, format in (([step["run"] for step in github if "run" in step], "github"), (gitlab, "text")):
        install, to_target, upgrade, back, lint = script
        assert install == 'pip install -e ".[test]" "websauna_migrate[lint]"'
        assert to_target.startswith("git checkout --detach ") and back.startswith("git checkout --detach ")
        assert understood(shlex.split(upgrade)).subcommand == "upgrade"
        options = understood(shlex.split(lint))
        assert (options.subcommand, options.format, options.x) == ("lint", format, ["packages=all"])


def test_the_workflow_of_the_template_is_valid():
    [path] = template_path().glob("*/.github/workflows/test.yml")
    steps = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == ['pip install -e ".[test]"', "pytest"]
