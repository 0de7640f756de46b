"""Names that users choose are shown as they are."""

import shutil

import pytest

from dashboard.markdown import plain, some

JOINER = "\u2060"


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("circle 7", "circle 7"),
        ("a_b*c", r"a\_b\*c"),
        ("$5", r"\$5"),
        ("[x](http://e.org)", r"\[x\]\(http" + JOINER + r"\://e\.org\)"),
        ("WWW.e.org", f"WWW{JOINER}\\.e\\.org"),
        ("a@e.org", f"a{JOINER}@e\\.org"),
        (":red[x]", r"\:red\[x\]"),
        ("<5 mm", r"\<5 mm"),
        ("`~|^#\\", r"\`\~\|\^\#" + "\\\\"),
    ],
)
def test_what_markdown_would_read_is_escaped(name, escaped):
    assert plain(name) == escaped


def test_of_many_classes_five_are_named():
    assert some(("a_b", "c")) == r"a\_b, c"
    assert some(tuple("abcde")) == "a, b, c, d, e"
    assert some(tuple("abcdefg")) == "a, b, c, d, e and 2 more"


def test_a_class_and_a_run_of_any_name_are_shown_as_they_are(open_page, trained_run, image_tree, write_run, said):
    """The classes of the folder are renamed; the network is another's, and answers with its own."""
    folder = write_run("x_y_z").path.parent / "my_*own*"
    shutil.copytree(image_tree, folder)
    for part in ("train", "test"):
        (folder / part / "circle").rename(folder / part / "a_b*c")
    run = write_run("a_b_c", weights_of=trained_run, settings={"data_source": "folder", "data_dir": folder})
    at = open_page(run.path.parent, "predict", run="a_b_c", image="0")
    assert not at.exception
    assert r"it is a\_b\*c]" in said(at)
    assert r"my\_\*own\*" in said(at)
    at = open_page(run.path.parent, "train", run="a_b_c")
    assert r"**a\_b\_c**" in said(at)


def test_what_a_link_asks_for_is_shown_as_it_is(open_page, trained_run):
    image = "![](https://evil.example/a.png)"
    at = open_page(trained_run.path.parent, "compare", run=image, run_b=image)
    assert not at.exception
    assert [plain(f"{image!r}, which isn't here") in warning.value for warning in at.warning] == [True, True]


def test_what_an_error_quotes_is_shown_as_it_is(open_page, write_run, runs_dir, said):
    for run_id in ("good", "b_a_d"):
        run = write_run(run_id, end={"state": "stopped", "reason": ""})
    (run.path / "config.json").write_text("{}")
    assert plain("Run 'b_a_d' has no readable config.json") in said(open_page(runs_dir, run="good"))
    assert plain("Run 'b_a_d' has no readable config.json") in open_page(runs_dir, run="b_a_d").error[0].value
