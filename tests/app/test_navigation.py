"""From page to page through the entry file."""

import time

import pytest

PAGES = {
    "train": "Train",
    "predict": "Predict",
    "feature_maps": "Feature maps",
    "time_machine": "Time machine",
    "why": "Why this class",
    "mistakes": "Mistakes",
    "neighbours": "Neighbours",
    "layers": "Layers over time",
    "walkthrough": "Walkthrough",
    "compare": "Compare",
    "poke": "Poke it",
    "dream": "What it looks for",
    "architecture": "Architecture",
    "take_away": "Take it away",
}
LOOKING = [
    page for page in PAGES if page not in ("train", "time_machine", "layers", "architecture")
]  # into a checkpoint


@pytest.mark.parametrize("trained", [True, False])
def test_every_page_opens_after_the_one_before(open_page, runs_dir, trained_run, trained):
    at = open_page(trained_run.path.parent if trained else runs_dir)
    for page, title in [*PAGES.items()] * 2:
        at.switch_page(f"app_pages/{page}.py").run()
        assert not at.exception, page
        assert at.title[0].value == title


@pytest.mark.parametrize("page", LOOKING)
def test_without_a_run_a_page_shows_the_way_to_one(open_page, runs_dir, said, page):
    at = open_page(runs_dir, page)
    assert not at.exception
    assert "No trained network yet" in said(at)
    assert [link.label for link in at.page_link] == ["Start a run"]
    assert not at.get("bidi_component")


@pytest.mark.parametrize("page", ["predict", "feature_maps"])
def test_a_run_that_has_saved_nothing_is_no_network_yet(open_page, write_run, runs_dir, said, page):
    write_run("a", end={"state": "failed", "reason": "no"})
    at = open_page(runs_dir, page)
    assert not at.exception
    assert "No trained network yet" in said(at)


def test_the_chosen_run_is_the_same_on_every_page(open_page, write_run, runs_dir, trained_run, said):
    for run_id in ("older", "newer"):
        write_run(run_id, end={"state": "stopped", "reason": ""}, weights_of=trained_run)
    at = open_page(runs_dir, "predict")
    at.selectbox(key="run").set_value("older").run()
    for page in LOOKING:
        at.switch_page(f"app_pages/{page}.py").run()
        assert not at.exception
        assert at.selectbox(key="run").value == "older", page
    at.switch_page("app_pages/train.py").run()
    assert "**older**" in said(at)


def test_a_run_that_nobody_chose_gives_way_on_train_to_one_that_trains(
    open_page, write_run, runs_dir, trained_run, said
):
    write_run("old", end={"state": "stopped", "reason": ""}, weights_of=trained_run)
    at = open_page(runs_dir, "predict")
    assert at.selectbox(key="run").value == "old"
    new = write_run("new", weights_of=trained_run, progress={"heartbeat": time.time()})
    with new.lock():
        at.run()
        assert at.selectbox(key="run").value == "old", "nothing changes under the eyes of who looks at it"
        at.switch_page("app_pages/train.py").run()
        assert "**new**" in said(at)
        at.query_params.clear()  # as a browser does when the page changes
        at.switch_page("app_pages/predict.py").run()
        assert at.selectbox(key="run").value == "new"
        for run_id in ("old", "new", "old"):
            at.selectbox(key="run").set_value(run_id).run()
        at.switch_page("app_pages/train.py").run()
        assert "**old**" in said(at)


def test_what_one_comes_back_to_is_chosen(open_page, write_run, runs_dir, trained_run, said):
    for run_id in ("old", "new"):
        write_run(run_id, end={"state": "stopped", "reason": ""}, weights_of=trained_run)
    at = open_page(runs_dir, "predict")
    for run_id in ("old", "new"):
        at.selectbox(key="run").set_value(run_id).run()
    with write_run("live", weights_of=trained_run, progress={"heartbeat": time.time()}).lock():
        at.switch_page("app_pages/train.py").run()
        assert "**new**" in said(at)


def test_the_best_checkpoint_takes_the_place_of_the_last_where_nobody_chose(
    open_page, write_run, runs_dir, trained_run
):
    run = write_run("a", end={"state": "stopped", "reason": ""}, weights_of=trained_run)
    (run.path / "best.json").rename(run.path / "later.json")
    at = open_page(runs_dir, "predict")
    assert at.segmented_control(key="checkpoint").value == "last"
    (run.path / "later.json").rename(run.path / "best.json")
    at.run()
    assert at.segmented_control(key="checkpoint").value == "best"
    at.segmented_control(key="checkpoint").set_value("last").run().run()
    assert at.segmented_control(key="checkpoint").value == "last"


def test_a_page_follows_the_checkpoints_of_a_run_that_trains(open_page, write_run, runs_dir, trained_run):
    run = write_run("a", weights_of=trained_run, progress={"heartbeat": time.time()})
    for page in ("predict", "feature_maps", "why", "walkthrough"):
        with run.lock():
            at = open_page(runs_dir, page)
            assert at.toggle(key="follow_weights").value, page
            assert at.segmented_control(key="checkpoint").value == "last", "the latest, while it trains"
            assert not at.exception
        at.run()
        assert "follow_weights" not in {toggle.key for toggle in at.toggle}, "it trains no more"
        assert at.segmented_control(key="checkpoint").value == "best", page
    with run.lock():
        at = open_page(runs_dir, "poke")
        assert at.segmented_control(key="checkpoint").value == "best", "what takes long is asked of what stays"


@pytest.mark.parametrize("page", ["train", "predict", "feature_maps"])
def test_a_run_whose_folder_was_deleted_gives_way_to_another(open_page, write_run, runs_dir, trained_run, said, page):
    for run_id in ("older", "newer"):
        write_run(run_id, end={"state": "stopped", "reason": ""}, weights_of=trained_run)
    at = open_page(runs_dir, page, run="newer")
    assert not at.exception
    (runs_dir / "newer").rename(runs_dir / "UPPER CASE IS NO RUN")
    at.run()
    assert not at.exception
    assert "**older**" in said(at) if page == "train" else at.selectbox(key="run").value == "older"
    (runs_dir / "older").rename(runs_dir / "NOR THIS")
    at.run()
    assert not at.exception
    assert ("Watch the 2012 AlexNet learn" if page == "train" else "No trained network yet") in said(at)


@pytest.mark.parametrize("page", LOOKING)
def test_a_run_whose_settings_are_damaged_is_said_in_a_sentence(open_page, write_run, runs_dir, trained_run, page):
    run = write_run("bad", end={"state": "stopped", "reason": ""}, weights_of=trained_run)
    (run.path / "config.json").write_text("{}")
    at = open_page(runs_dir, page)
    assert not at.exception
    assert "'bad'" in at.error[0].value


@pytest.mark.parametrize("page", ["train", "compare", "time_machine"])
def test_a_run_of_another_version_beside_a_good_one_takes_no_page_down(
    open_page, write_run, runs_dir, trained_run, said, page
):
    """It is the second newest, so Compare's B by default; packed as well, it is introduced on Train."""
    bad = write_run("bad", end={"state": "finished", "reason": ""}, weights_of=trained_run)
    (bad.path / "config.json").write_text('{"config": {"colour": 1}, "packed": {}}')
    write_run("good", end={"state": "finished", "reason": ""}, weights_of=trained_run)
    at = open_page(runs_dir, page)
    assert not at.exception
    assert ("The config.json of run 'bad'" in said(at).replace("\\", "")) == (page in ("train", "compare"))
    at = open_page(runs_dir, page, run="bad")
    assert not at.exception


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "address",
    [
        {"run": "../x", "checkpoint": "nope", "layer": "nope", "stage": "nope", "channel": "9999"},
        {"run": "", "layer": "conv3", "stage": "lrn", "channel": "-1", "scale": "nope"},
        {"run": "a" * 5000, "layer": "conv1", "stage": "relu", "channel": "NaN", "class": "<script>", "image": "1e9"},
        {
            "layer": "fc6",
            "channel": "12.5",
            "class": "circle",
            "image": "99",
            "x": "nope",
            "from": "nope",
            "new_run": "x",
        },
        {
            "epoch": "-1",
            "pinned": "../../etc",
            "row": "99",
            "column": "x",
            "target": "<b>",
            "off": "1, a, 7-2",
            "sort": "no",
            "run_b": "../x",
            "checkpoint_b": "no",
            "true": "no",
            "predicted": "no",
            "set": "no",
            "view": "no",
        },
    ],
)
def test_an_address_that_names_nothing_falls_back(open_page, trained_run, page, address):
    at = open_page(trained_run.path.parent, page, **address)
    assert not at.exception
    assert [error.value for error in at.error if "'a'" not in error.value] == [], "but for the list of channels, poke's"
    if page == "feature_maps":
        assert len(at.get("bidi_component")) == 2
