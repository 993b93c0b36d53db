"""INI files that include each other: order, places, names, environment values, and what can be wrong with a file."""

from __future__ import annotations

import sys
import traceback
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websauna_migrate.exceptions import SettingsError
from websauna_migrate.settings.errors import InvalidSettingsFile, SettingsFileMissing, SettingsFileUnreadable
from websauna_migrate.settings.ini import merged_parser, resolved_sections

SECRET = "s3cret"


@pytest.fixture
def write(tmp_path):
    def write(name, *sections, includes=None):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        first = [f"[includes]\ninclude_ini_files = {includes}"] if includes else []
        path.write_text("\n".join([*first, *sections]) + "\n", encoding="utf-8")
        return path

    return write


def read(path, **given_):
    return {name: dict(values) for name, values in resolved_sections(merged_parser(path, given_)).items()}


# --- order


def test_the_first_file_that_has_a_key_wins_and_includes_are_read_depth_first(write):
    write("deep.ini", "[s]\na = deep\nb = deep\nc = deep\nd = deep")
    write("one.ini", "[s]\nb = one", includes="deep.ini")
    write("two.ini", "[s]\na = two\nc = two\nd = two\ne = two\n[only]\nx = 1")
    main = write("main.ini", "[s]\na = main", includes="one.ini\n    two.ini")
    assert read(main)["s"] == {"a": "main", "b": "one", "c": "deep", "d": "deep", "e": "two"}
    assert read(main)["only"] == {"x": "1"}


def test_a_file_that_two_branches_include_is_no_cycle(write):
    write("base.ini", "[s]\nx = 1")
    write("one.ini", includes="base.ini")
    write("two.ini", includes="base.ini")
    assert read(write("main.ini", includes="one.ini two.ini base.ini"))["s"] == {"x": "1"}


def test_many_branches_to_the_same_files_are_read_once_each(write):
    for number in range(40):
        write(f"{number}a.ini", includes=f"{number + 1}a.ini {number + 1}b.ini")
        write(f"{number}b.ini", includes=f"{number + 1}a.ini {number + 1}b.ini")
    write("40a.ini", "[s]\nx = 1")
    write("40b.ini", "[s]\nx = 2")
    assert read(write("main.ini", includes="0a.ini"))["s"] == {"x": "1"}


trees = st.recursive(
    st.fixed_dictionaries({"keys": st.sets(st.sampled_from("abc")), "includes": st.just([])}),
    lambda inner: st.fixed_dictionaries(
        {"keys": st.sets(st.sampled_from("abc")), "includes": st.lists(inner, max_size=3)}
    ),
    max_leaves=8,
)


@given(trees)
def test_a_tree_of_includes_reads_as_its_files_one_after_the_other(tmp_path_factory, tree):
    folder = tmp_path_factory.mktemp("tree")
    order = []

    def lay_out(node):
        name = f"{len(order)}.ini"
        order.append((name, node["keys"]))
        names = [lay_out(child) for child in node["includes"]]
        text = f"[includes]\ninclude_ini_files = {' '.join(names)}\n[s]\nfile_{name[0]} = 1\n"
        (folder / name).write_text(text + "".join(f"{key} = {name}\n" for key in node["keys"]))
        return name

    lay_out(tree)
    merged = read(folder / "0.ini")["s"]
    for key in "abc":
        assert merged.get(key) == next((name for name, keys in order if key in keys), None)


def test_the_section_includes_of_an_included_file_only_finds_more_files(write):
    write("deep.ini", "[s]\nx = 1")
    write("base.ini", "extra = 1", includes="deep.ini")
    assert "include_ini_files = base.ini" in (main := write("main.ini", includes="base.ini")).read_text()
    assert read(main) == {"includes": {"include_ini_files": "base.ini"}, "s": {"x": "1"}}


def test_a_section_includes_without_files_is_fine(write):
    assert read(write("main.ini", "[includes]\n[s]\nx = 1"))["s"] == {"x": "1"}
    assert read(write("main.ini", "[includes]\ninclude_ini_files =\n[s]\nx = 1"))["s"] == {"x": "1"}


# --- places and names


def test_here_and_file_are_those_of_the_file_that_a_value_stands_in(write, tmp_path):
    write("conf 50%/base.ini", "[s]\nthere = %(here)s\nits = %(__file__)s\nliteral = %%(here)s\nseen = %(mine)s")
    main = tmp_path / "app" / "main.ini"
    write("app/link.ini", "[x]\ny = %(here)s")
    write("app/main.ini", "[s]\nmine = %(here)s", includes="%(here)s/link.ini\n    ../conf%(blank)s50%%/base.ini")
    # White space separates includes, so the folder is reached by a link.
    (tmp_path / "conf-50%").symlink_to(tmp_path / "conf 50%")
    values = read(main, blank="-")
    folder = tmp_path / "conf-50%"
    assert values["s"] == {
        "there": str(folder),
        "its": str(folder / "base.ini"),
        "literal": "%(here)s",
        "seen": str(main.parent),
        "mine": str(main.parent),
    }
    assert values["x"] == {"y": str(main.parent)}


def test_a_name_is_looked_up_in_the_merged_section_and_then_in_the_merged_default(write):
    write("base.ini", "[DEFAULT]\na = base default\nb = base default", "[s]\nx = %(a)s, %(b)s, %(c)s\nc = base")
    main = write("main.ini", "[DEFAULT]\nb = main default", "[s]\nc = main", includes="base.ini")
    assert read(main)["s"]["x"] == "base default, main default, main"


def test_the_case_of_keys_is_kept(write):
    assert read(write("main.ini", "[s]\nKey = 1\nkey = %(Key)s2"))["s"] == {"Key": "1", "key": "12"}


def test_an_include_may_be_absolute_or_come_from_the_environment(write, tmp_path, monkeypatch):
    monkeypatch.setenv("STAGE", "live")
    write("live.ini", "[s]\nx = live")
    assert read(write("app/main.ini", includes=f"{tmp_path}/${{STAGE}}.ini"))["s"] == {"x": "live"}


def test_a_mark_of_the_byte_order_is_skipped(tmp_path):
    (tmp_path / "main.ini").write_bytes("\ufeff[s]\nx = grüße\n".encode())
    assert read(tmp_path / "main.ini")["s"] == {"x": "grüße"}


# --- environment values


def test_values_from_the_environment_are_taken_as_they_are(write, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "p%(x)s%%@${HOME}/'")
    monkeypatch.delenv("DB_UNSET", raising=False)
    main = write(
        "main.ini", "[DEFAULT]\npw = ${DB_PASSWORD}", "[s]\nurl = x://%(pw)s@h\nunset = ${DB_UNSET}$${}\n%(pw)s = key"
    )
    assert read(main)["s"]["url"] == "x://p%(x)s%%@${HOME}/'@h"
    assert read(main)["s"]["unset"] == "${DB_UNSET}$${}"
    assert merged_parser(main, {}).defaults()["pw"] == "p%(x)s%%@${HOME}/'"


def test_the_name_of_a_variable_may_come_from_another_value(write, monkeypatch):
    monkeypatch.setenv("PW_LIVE", "1")
    assert read(write("main.ini", "[s]\nstage = LIVE\npw = ${PW_%(stage)s}"))["s"]["pw"] == "1"


# --- files of packages


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path / "site"


def test_a_resource_is_a_file_of_a_package_that_is_not_imported_for_it(write, on_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "ini_regular", raising=False)
    write("site/ini_regular/__init__.py", "raise RuntimeError('imported')")
    write("site/ini_regular/conf/base.ini", "[s]\nx = %(here)s", includes="../more.ini")
    write("site/ini_regular/more.ini", "[s]\ny = %(here)s")
    main = write("main.ini", includes="resource://ini_regular/conf/base.ini")
    package = on_path / "ini_regular"
    assert read(main)["s"] == {"x": str(package / "conf"), "y": str(package)}
    assert "ini_regular" not in sys.modules


def test_a_resource_may_lie_in_a_namespace_package(write, on_path):
    write("site/ini_space/inner/conf/base.ini", "[s]\nx = 1")
    for package in ("ini_space/inner/conf", "ini_space.inner/conf", "ini_space.inner.conf"):
        assert read(write("main.ini", includes=f"resource://{package}/base.ini"))["s"] == {"x": "1"}


def test_a_resource_may_lie_in_a_zip_archive(write, tmp_path, monkeypatch):
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("ini_packed/__init__.py", "")
        packed.writestr("ini_packed/conf/base.ini", "[includes]\ninclude_ini_files = ../more.ini\n[s]\nx = %(here)s\n")
        packed.writestr("ini_packed/more.ini", "[includes]\ninclude_ini_files = conf/base.ini\n[s]\ny = %(__file__)s\n")
        packed.writestr("ini_packed/fine.ini", "[includes]\ninclude_ini_files = conf/../leaf.ini\n[s]\n")
        packed.writestr("ini_packed/leaf.ini", "[s]\nx = %(here)s\n")
    monkeypatch.syspath_prepend(str(archive))
    with pytest.raises(SettingsError):
        read(write("main.ini", includes="resource://ini_packed/conf/base.ini"))
    assert read(write("main.ini", includes="resource://ini_packed/fine.ini"))["s"] == {"x": f"{archive}/ini_packed"}
    with pytest.raises(SettingsFileMissing, match=r"ini_packed/absent\.ini"):
        read(write("main.ini", includes="resource://ini_packed/absent.ini"))


@pytest.mark.parametrize("package", ["ini_absent", "ini_absent.sub", "", "a..b", ".a", "ini_module"])
def test_a_resource_of_a_package_that_is_not_installed_is_an_error(write, on_path, package):
    write("site/ini_module.py")
    main = write("main.ini", includes=f"resource://{package}/base.ini")
    with pytest.raises(SettingsError) as caught:
        read(main)
    assert repr(package) in str(caught.value)
    assert str(main) in str(caught.value)


@pytest.mark.parametrize("reference", ["resource://ini_pkg/absent.ini", "resource://ini_pkg"])
def test_a_resource_that_is_no_file_is_an_error(write, on_path, reference):
    write("site/ini_pkg/__init__.py")
    with pytest.raises((SettingsFileMissing, SettingsFileUnreadable), match="ini_pkg"):
        read(write("main.ini", includes=reference))


# --- what can be wrong


def test_a_cycle_of_includes_is_an_error_that_shows_the_path(write, tmp_path):
    write("a.ini", includes="sub/b.ini")
    write("sub/b.ini", includes="../a.ini")
    a, b = str(tmp_path / "a.ini"), str(tmp_path / "sub" / "b.ini")
    with pytest.raises(SettingsError) as caught:
        read(write("main.ini", includes="a.ini"))
    assert f"{a} -> {b} -> {a}" in str(caught.value)


def test_a_file_that_includes_itself_is_a_cycle(write):
    main = write("main.ini", includes="main.ini")
    with pytest.raises(SettingsError) as caught:
        read(main)
    assert f"{main} -> {main}" in str(caught.value)


def test_a_cycle_through_a_link_is_found(write, tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path)
    with pytest.raises(SettingsError):
        read(write("main.ini", includes="loop/main.ini"))


def test_a_missing_include_names_the_file_that_asks_for_it(write, tmp_path):
    base = write("conf/base.ini", includes="absent.ini")
    with pytest.raises(SettingsFileMissing) as caught:
        read(write("main.ini", includes="conf/base.ini"))
    assert (caught.value.path, caught.value.named_in) == (str(tmp_path / "conf" / "absent.ini"), str(base))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("reference", ["http://example.com/a.ini", "file:///a.ini", "ws://a.ini"])
def test_an_unknown_scheme_is_an_error(write, reference):
    main = write("main.ini", includes=reference)
    with pytest.raises(SettingsError) as caught:
        read(main)
    assert repr(reference) in str(caught.value)
    assert str(main) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (f"[s]\nx = 1\n{SECRET}\n", 3, "neither"),
        (f"[s]\nx = 1\nx = {SECRET}\n", 3, "'x' is twice in section [s]"),
        (f"[s]\nx = {SECRET}\n[s]\n", 3, "[s] is there twice"),
        (f"[DEFAULT]\nx = 1\nx = {SECRET}\n", 3, "[DEFAULT]"),
        (f"{SECRET} = 1\n[s]\n", 1, "before the first"),
        ("[s]\nx = {SECRET}\xff\n".encode("latin-1"), 2, "UTF-8"),
    ],
)
@pytest.mark.parametrize("included", [False, True])
def test_a_file_that_is_no_ini_file_is_an_error_with_its_line(write, tmp_path, text, line, reason, included):
    broken = tmp_path / "broken.ini"
    broken.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InvalidSettingsFile) as caught:
        read(write("main.ini", includes="broken.ini") if included else broken)
    assert (caught.value.path, caught.value.line) == (str(broken), line)
    assert reason in str(caught.value)
    assert_silent(caught.value)


@pytest.mark.parametrize(
    ("section", "value", "reason"),
    [
        ("s", f"postgresql://u:{SECRET}%@h/db", "literal % as %%"),
        ("s", f"{SECRET}%(absent", "literal % as %%"),
        ("s", f"{SECRET}%(absent)s", "it has a %(name)s that is not set"),
        ("s", f"{SECRET}%(url)s", "refers to itself"),
        ("DEFAULT", f"{SECRET}%", "literal % as %%"),
    ],
)
def test_a_broken_interpolation_names_file_section_and_key_but_never_the_value(write, section, value, reason):
    base = write("base.ini", f"[{section}]\nurl = {value}", "[s]" if section != "s" else "")
    main = write("main.ini", includes="base.ini")
    with pytest.raises(SettingsError) as caught:
        merged_parser(main, {}).items("s")
    assert str(caught.value).startswith(f"{base}, section [{section}], key 'url': ")
    assert reason in str(caught.value)
    assert_silent(caught.value)


def assert_silent(error):
    assert "\n" not in str(error)
    shown = "".join(traceback.format_exception(error))
    assert SECRET not in shown
    assert SECRET not in repr(vars(error))


def test_a_folder_for_an_include_is_an_error(write, tmp_path):
    (tmp_path / "conf").mkdir()
    with pytest.raises(SettingsFileUnreadable, match="conf"):
        read(write("main.ini", includes="conf"))


@pytest.mark.parametrize(
    ("reference", "reason"), [("main.ini/base.ini", "Not a directory"), ("x" * 300, "File name too long")]
)
def test_a_file_that_cannot_be_read_is_an_error_that_says_why(write, tmp_path, reference, reason):
    with pytest.raises(SettingsFileUnreadable, match=reason) as caught:
        read(write("main.ini", includes=reference))
    assert caught.value.path == str(tmp_path / reference)


def test_nothing_is_written(write, tmp_path):
    main = write("main.ini", "[s]\nx = 1")
    before = sorted(Path(tmp_path).rglob("*"))
    read(main)
    assert sorted(Path(tmp_path).rglob("*")) == before
