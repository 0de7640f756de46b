"""The Time machine page: one epoch in four panels, chosen by a slider, by a link, by playing or by following a run."""

import json

import pytest

from core.runs.snapshots import read_pinned, read_snapshot


@pytest.fixture
def machine(open_page, trained_run):
    return lambda **address: open_page(trained_run.path.parent, "time_machine", **address)


def maps_of(at):
    (component,) = at.get("bidi_component")
    return json.loads(component.proto.json)


def filters(at):
    """Where the picture of the filters is found."""
    pictures = [image.proto.imgs[0] for image in at.image]
    (found,) = [picture.url for picture in pictures if picture.alt.startswith("The filters of conv1")]
    return found


def html(at):
    return "\n".join(element.proto.body for element in at.get("html"))


def test_it_opens_at_the_newest_epoch(machine, trained_run, said):
    at = machine()
    assert not at.exception
    assert at.select_slider(key="epoch").value == 2
    labels, found = read_pinned(trained_run).val_labels, read_snapshot(trained_run, 2).probabilities
    right = (found.argmax(1) == labels).mean()
    assert f"{len(labels)} validation images, {right:.1%} right." in said(at)
    assert maps_of(at)["ids"] == list(range(96))
    assert "Channel 0 of conv1 over time, on one scale; epochs 0, 1, 2." in said(at)


def test_the_slider_moves_all_panels(machine):
    at = machine(layer="conv3")
    before = html(at), maps_of(at)["png"], filters(at)
    at.select_slider(key="epoch").set_value(1).run()
    assert not at.exception
    after = html(at), maps_of(at)["png"], filters(at)
    assert all(old != new for old, new in zip(before, after, strict=True))


def test_no_picture_is_a_file_that_the_next_epoch_takes_away(machine):
    assert {image.proto.imgs[0].url.split(";")[0] for image in machine().image} == {"data:image/png"}


def test_the_address_names_every_epoch_but_the_newest(machine):
    at = machine(epoch="0")
    assert at.query_params["epoch"] == "0"
    for epoch, named in ((1, "1"), (2, None), (0, "0")):
        at.select_slider(key="epoch").set_value(epoch).run()
        assert at.query_params.get("epoch") == named
    assert at.select_slider(key="epoch").value == 0


def test_the_untrained_network_has_no_confusion_matrix_yet(machine, said):
    at = machine(epoch="0")
    assert not at.exception
    assert at.select_slider(key="epoch").value == 0
    assert "The network is validated at the end of each epoch" in said(at)
    assert "Rows: true class" not in html(at)


def test_a_link_chooses_epoch_image_layer_and_channel(machine, trained_run, said):
    number = int(read_pinned(trained_run).numbers[1])
    at = machine(epoch="1", pinned=str(number), layer="conv2", channel="200")
    assert not at.exception
    assert not at.warning
    assert maps_of(at)["selected"] == 200
    assert at.select_slider(key="epoch").value == 1
    assert any(f"test image {number}" in caption for image in at.image for caption in image.captions)
    assert "Channel 200 of conv2 over time" in said(at)


def test_a_shipped_run_has_one_too_with_the_photograph(open_page, packed_run, said):
    at = open_page(packed_run.path.parent, "time_machine", pinned="photo")
    assert not at.exception
    assert not at.warning
    assert at.segmented_control(key="pinned").options == ["photo"]
    assert any(caption.endswith(", the photo") for image in at.image for caption in image.captions)
    assert at.select_slider(key="epoch").value == 2
    assert maps_of(at)["ids"] == list(range(96))


def test_a_stale_link_is_said(machine, said):
    at = machine(epoch="77", pinned="x", layer="conv9", channel="9999")
    assert not at.exception
    assert at.select_slider(key="epoch").value == 2
    for word in ("epoch '77'", "pinned image 'x'", "layer 'conv9'", "channel '9999'"):
        assert f"The link asks for {word}, which isn't here" in said(at)


def test_playing_goes_on_to_the_end_and_stops(machine):
    at = machine(epoch="0")
    at.button(key="play").click().run()
    assert not at.exception
    shown = [at.select_slider(key="epoch").value]
    while at.button(key="pause"):
        at.run()
        shown.append(at.select_slider(key="epoch").value)
        assert len(shown) < 9
        if not any(button.key == "pause" for button in at.button):
            break
    assert sorted(set(shown)) == shown[: len(set(shown))], "never back"
    assert shown[-1] == 2
    at.button(key="play").click().run()
    assert at.select_slider(key="epoch").value <= 1, "from the beginning again"


def test_a_browser_that_lags_behind_does_not_stop_it(machine):
    at = machine(epoch="0")
    at.button(key="play").click().run()
    assert at.select_slider(key="epoch").value == 1
    at.select_slider(key="epoch")._value = 0  # what it still shows: the slider is disabled
    at.run()
    assert at.select_slider(key="epoch").value == 1
    assert at.select_slider(key="epoch").disabled
    at.run()
    assert at.select_slider(key="epoch").value == 2
    at.select_slider(key="epoch")._value = 1  # paused, while it shows this one
    at.button(key="pause").click().run()
    assert at.select_slider(key="epoch").value == 1
    at.select_slider(key="epoch").set_value(0).run()
    assert at.select_slider(key="epoch").value == 0
    assert at.button(key="play")


def test_a_run_without_snapshots_is_not_offered(open_page, write_run, runs_dir, trained_run, said):
    write_run("a", weights_of=trained_run)
    at = open_page(runs_dir, "time_machine")
    assert not at.exception
    assert "No run has snapshots yet" in said(at)


@pytest.fixture
def live(write_run, trained_run):
    """A run that is being written, with snapshots of its first two epochs."""
    run = write_run("a", weights_of=trained_run, data={"class_names": ["circle", "cross", "star"]})
    (run.path / "snapshots").mkdir()
    for name in ("pinned.npz", "epoch-0000.npz", "epoch-0001.npz"):
        (run.path / "snapshots" / name).symlink_to(trained_run.path / "snapshots" / name)
    with run.lock():
        yield run


def test_a_part_of_the_first_epoch_has_its_place_and_its_link(open_page, runs_dir, live, trained_run, said):
    (live.path / "snapshots" / "epoch-0000.5.npz").symlink_to(trained_run.path / "snapshots" / "epoch-0000.npz")
    at = open_page(runs_dir, "time_machine", epoch="0.5")
    assert not at.exception
    assert not at.warning
    assert at.select_slider(key="epoch").options == ["0", "0.5", "1"]
    assert at.select_slider(key="epoch").value == 0.5
    assert at.query_params["epoch"] == "0.5"
    assert "The network is validated at the end of each epoch" in said(at)
    assert "on one scale; epochs 0, 0.5, 1." in said(at)
    assert open_page(runs_dir, "time_machine", epoch="0.25").select_slider(key="epoch").value == 0


def test_a_run_that_trains_is_followed_until_the_slider_is_moved(open_page, runs_dir, live, trained_run):
    at = open_page(runs_dir, "time_machine")
    assert at.select_slider(key="epoch").value == 1
    assert "epoch" not in at.query_params
    (live.path / "snapshots" / "epoch-0002.npz").symlink_to(trained_run.path / "snapshots" / "epoch-0002.npz")
    at.run()
    assert at.select_slider(key="epoch").value == 2
    assert "epoch" not in at.query_params, "opened again, it follows again"
    at.select_slider(key="epoch").set_value(1).run()  # a browser that had not heard of the new one yet
    assert at.select_slider(key="epoch").value == 2
    assert at.toggle(key="follow").value
    at.select_slider(key="epoch").set_value(1).run()
    at.run()
    assert at.select_slider(key="epoch").value == 1
    assert not at.toggle(key="follow").value
    assert not at.exception


def test_a_run_that_ends_as_it_is_followed_leaves_the_slider_to_the_user(open_page, runs_dir, live, trained_run):
    at = open_page(runs_dir, "time_machine")
    (live.path / "snapshots" / "epoch-0002.npz").symlink_to(trained_run.path / "snapshots" / "epoch-0002.npz")
    at.run()
    assert at.select_slider(key="epoch").value == 2
    (live.path / "end.json").write_text('{"state": "finished", "reason": ""}', encoding="utf-8")
    at.select_slider(key="epoch").set_value(1).run()  # what the browser still shows
    assert at.select_slider(key="epoch").value == 2
    at.select_slider(key="epoch").set_value(1).run()
    assert at.select_slider(key="epoch").value == 1
    assert not at.exception


def test_a_run_that_trains_is_followed_though_another_was_looked_at_before(
    open_page, write_run, runs_dir, live, trained_run
):
    run = write_run("finished", weights_of=trained_run, data={"class_names": ["circle", "cross", "star"]})
    (run.path / "end.json").write_text('{"state": "finished", "reason": ""}', encoding="utf-8")
    (run.path / "snapshots").symlink_to(trained_run.path / "snapshots")
    at = open_page(runs_dir, "time_machine", run="finished")
    at.select_slider(key="epoch").set_value(0).run()
    at.selectbox(key="run").set_value("a").run()
    assert not at.exception
    assert at.toggle(key="follow").value
    assert at.select_slider(key="epoch").value == 1


def test_a_link_to_an_epoch_of_a_run_that_trains_stays_there(open_page, runs_dir, live):
    at = open_page(runs_dir, "time_machine", epoch="0")
    for _ in range(3):
        assert at.select_slider(key="epoch").value == 0
        at.run()
    at.toggle(key="follow").set_value(True).run()
    assert at.select_slider(key="epoch").value == 1
    assert not at.exception
