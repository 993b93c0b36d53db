"""``--expand``: what is for before the deployment is run, what is for after it is left, over all packages."""

from __future__ import annotations

import json

from scenarios import Revision, write_project


def test_expand_leaves_what_contracts_and_what_requires_it(sqlite, tmp_path, run):
    table = "CREATE TABLE {} (id INTEGER)"
    histories = {
        "red": [Revision("r1", up=[table.format("r")]), Revision("r2", up=["DROP TABLE r"])],
        "blue": [Revision("b1", up=[table.format("b")]), Revision("b2", requires={"red": "r2"})],
    }
    project = write_project(tmp_path, sqlite.new_database(), histories)
    script = project.script("red", "r2")
    script.write_text(script.read_text().replace("import op\n", "import op\n\ncontract = True\n", 1))

    def ws(*argv, code=0):
        done = run(*project.argv(*argv), **project.options)
        assert done.returncode == code, done
        return done

    def states():
        return {row["package"]: row["state"] for row in json.loads(ws("status", "--format", "json").stdout)}

    assert "r2 (contract)" in ws("plan").stdout
    planned = [step["revision"] for step in json.loads(ws("plan", "--expand", "--format", "json").stdout)]
    assert sorted(planned) == ["b1", "r1"]
    assert "leave out --down or --expand" in ws("plan", "--down", "--expand", code=2).stderr
    assert "DROP TABLE" not in ws("upgrade", "--expand", "--sql").stdout
    ws("status", "--check", "--expand", code=1)

    said = ws("upgrade", "--expand").stderr
    assert "left for an upgrade after the deployment: blue b2, red r2\n" in said
    assert project.heads() == {"red": ["r1"], "blue": ["b1"]}
    assert states() == {"red": "pending (contract)", "blue": "pending (contract)"}
    ws("status", "--check", "--expand")
    ws("status", "--check", code=1)
    assert "nothing to do" in ws("upgrade", "--expand").stderr

    ws("upgrade")
    assert project.heads() == {"red": ["r2"], "blue": ["b2"]}
    assert states() == {"red": "up to date", "blue": "up to date"}
