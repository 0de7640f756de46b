"""The Predict page: pictures from the test set and from files, and what the network says of them."""

import io
import json

import pytest
from PIL import Image

from core.data.sources import load_test_images
from dashboard import cache
from dashboard.markdown import plain

CLASSES = ("circle", "cross", "star")


def picture(kind="PNG", size=(40, 30)):
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def predict(open_page, trained_run):
    return lambda **address: open_page(trained_run.path.parent, "predict", **address)


@pytest.fixture
def uploading(predict):
    at = predict()
    return at.segmented_control(key="from").set_value("Upload").run()


def verdict(at):
    """The line with the class, and the probabilities of the chart by class."""
    (line,) = [text.value for text in at.markdown if text.value.startswith("### ")]
    bars = json.loads(at.get("plotly_chart")[0].proto.spec)["data"][0]
    return line, [name.removeprefix("<b>").removesuffix("</b> (true)") for name in bars["y"]]


def test_a_test_image_is_judged_and_its_true_class_is_known(predict, said):
    at = predict()
    assert not at.exception
    line, classes = verdict(at)
    assert set(classes) == set(CLASSES)
    assert line.startswith(f"### {classes[-1]} · "), "the longest bar is on top"
    assert ("correct" in line) != ("it is" in line)
    captions = [caption for image in at.image for caption in image.captions]
    assert captions == ["test image 0", "What the network sees, 227 × 227"]
    assert "Run finished · images" in said(at)


@pytest.mark.parametrize("number", range(6))
def test_every_test_image_has_its_number(predict, number, trained_run, data_dir):
    truth = load_test_images(trained_run.config, data_dir=data_dir).label(number)
    at = predict(image=str(number))
    assert not at.exception
    assert at.number_input(key="image").max == 5
    line, _ = verdict(at)
    assert f"it is {truth}]" in line or line.startswith(f"### {truth} · ")


def thumbnails(at):
    (component,) = at.get("bidi_component")
    return json.loads(component.proto.json)


def test_random_points_at_some_image_of_the_class(predict, trained_run, data_dir):
    images = load_test_images(trained_run.config, data_dir=data_dir)
    at = predict()
    at.selectbox(key="class").set_value("star").run()
    for _ in range(3):
        at.button(key="random_image").click().run()
        assert not at.exception
        assert images.label(at.number_input(key="image").value) == "star"
    assert at.selectbox(key="class").value == "star"


def test_thumbnails_are_those_of_the_class_and_only_on_request(predict, trained_run, data_dir):
    images = load_test_images(trained_run.config, data_dir=data_dir)
    at = predict(image="1")
    assert not at.get("bidi_component")
    at.session_state["browser"] = True
    at.run()
    assert not at.exception
    assert sorted(thumbnails(at)["ids"]) == [0, 1, 2, 3, 4, 5]
    assert thumbnails(at)["selected"] == 1
    at.selectbox(key="class").set_value("star").run()
    assert not at.exception
    assert sorted(thumbnails(at)["ids"]) == images.indices_of("star").tolist()
    assert set(thumbnails(at)["captions"]) == {"star"}
    assert at.number_input(key="browser_page").max == 1


def test_thumbnails_come_in_pages_and_another_class_begins_anew(predict, trained_run, data_dir, monkeypatch):
    monkeypatch.setattr("dashboard.components.thumbnails.PER_PAGE", 4)
    at = predict()
    at.session_state["browser"] = True
    first = thumbnails(at.run())["ids"]
    at.number_input(key="browser_page").set_value(2).run()
    assert len(first) == 4
    assert sorted(first + thumbnails(at)["ids"]) == [0, 1, 2, 3, 4, 5]
    at.selectbox(key="class").set_value("star").run()
    assert not at.exception
    assert at.number_input(key="browser_page").value == 1
    at.selectbox(key="class").set_value("any class").run()
    assert thumbnails(at)["ids"] == first


def test_the_address_chooses_checkpoint_and_number(predict):
    at = predict(checkpoint="last", image="4")
    assert not at.exception
    assert not at.warning
    assert at.segmented_control(key="checkpoint").value == "last"
    assert at.number_input(key="image").value == 4


def test_a_stale_address_is_said(predict, said):
    at = predict(run="gone", checkpoint="first", image="9999")
    assert not at.exception
    assert verdict(at)
    for word in ("run 'gone'", "checkpoint 'first'", "test image '9999'"):
        assert f"The link asks for {word}, which isn't here" in said(at)


def test_without_a_file_the_next_step_is_said(uploading):
    assert not uploading.exception
    assert "Choose a picture of your own" in uploading.info[0].value
    assert not uploading.get("plotly_chart")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_an_uploaded_picture_is_judged(uploading, kind):
    at = uploading
    at.file_uploader(key="uploads").upload(f"mine.{kind.lower()}", picture(kind)).run()
    assert not at.exception
    assert not at.error
    line, classes = verdict(at)
    assert set(classes) == set(CLASSES)
    assert "correct" not in line, "nobody knows what it is"
    assert "it is" not in line
    assert at.image[0].captions == [plain(f"mine.{kind.lower()}")]


def test_an_upload_is_decoded_and_judged_once(uploading, monkeypatch):
    calls = []

    def counted(name):
        original = getattr(cache, name)
        monkeypatch.setattr(cache, name, lambda *given, **named: calls.append(name) or original(*given, **named))

    for name in ("decode_picture", "predict"):
        counted(name)
    at = uploading
    at.file_uploader(key="uploads").upload("once.png", picture(size=(41, 31))).run()
    assert not at.exception
    first = verdict(at)
    at.run()
    at.switch_page("app_pages/why.py").run()
    assert not at.exception
    assert calls == ["decode_picture", "predict"]
    assert verdict(at.switch_page("app_pages/predict.py").run()) == first


def test_an_upload_that_another_page_still_shows_is_named_and_can_be_removed(uploading, said):
    at = uploading
    at.file_uploader(key="uploads").upload("once.png", picture(size=(41, 31))).run()
    assert "Uploaded before" not in said(at), "the uploader itself names it"
    at.switch_page("app_pages/feature_maps.py").run()
    at.run()  # AppTest gives a page what the session keeps only when it is drawn again; a browser at once
    assert f"Uploaded before: {plain('once.png')}" in said(at)
    at.button(key="remove_uploads").click().run()
    assert not at.exception
    assert "Uploaded before" not in said(at)
    assert "Choose a picture of your own" in at.info[0].value


def test_as_many_uploads_as_are_shown_are_decoded_once(uploading, monkeypatch):
    decoded = []
    original = cache.decode_picture
    monkeypatch.setattr(cache, "decode_picture", lambda *a, **named: decoded.append(a[1]) or original(*a, **named))
    files = [(f"{i}.png", picture(size=(60 + i, 40)), "image/png") for i in range(cache.MAX_UPLOADS)]
    at = uploading
    at.file_uploader(key="uploads").set_value(files).run()
    at.run()
    assert not at.exception
    assert sorted(decoded) == sorted(name for name, *_ in files)


def test_several_pictures_give_a_table(uploading):
    files = [(f"{side}.png", picture(size=(side, 40)), "image/png") for side in (30, 60, 90)]
    at = uploading
    at.file_uploader(key="uploads").set_value(files).run()
    assert not at.exception
    table = at.dataframe[0].value
    assert table["file"].tolist() == ["30.png", "60.png", "90.png"]
    assert set(table["class"]) <= set(CLASSES)
    assert table["probability"].between(1 / 3, 1).all()
    assert table["picture"].str.startswith("data:image/png;base64,").all()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("cut.png", picture()[:90], "damaged or cut off"),
        ("text.png", b"hello, I am a text", "is not a PNG, JPEG, WEBP, BMP or GIF image"),
        ("empty.png", b"", "is empty"),
        ("page.jpg", b"<svg onload=alert(1)>", "is not a PNG"),
        ("strip.png", picture(size=(400, 9)), "one side over 20 times the other"),
        ("**bold**[x](javascript:1).png", b"x", "is not a PNG"),
    ],
)
def test_a_file_that_is_no_picture_is_said_in_a_sentence(uploading, name, content, sentence):
    at = uploading
    at.file_uploader(key="uploads").upload(name, content, "image/png").run()
    assert not at.exception
    assert len(at.error) == 1
    assert sentence in at.error[0].value
    assert not at.get("plotly_chart")


def test_a_broken_file_among_others_leaves_the_others(uploading):
    files = [("a.png", picture(), "image/png"), ("b.png", b"no", "image/png"), ("c.png", picture(), "image/png")]
    at = uploading
    at.file_uploader(key="uploads").set_value(files).run()
    assert not at.exception
    assert plain("b.png") in at.error[0].value
    assert at.dataframe[0].value["file"].tolist() == ["a.png", "c.png"]


def test_more_files_than_can_be_shown_are_counted(uploading, said):
    files = [(f"{i}.png", picture(size=(8, 8)), "image/png") for i in range(66)]
    at = uploading
    at.file_uploader(key="uploads").set_value(files).run()
    assert not at.exception
    assert "66 files are more than the 24" in said(at)
    assert len(at.dataframe[0].value) == 24


def test_a_picture_of_the_camera_is_judged(predict):
    at = predict()
    at.segmented_control(key="from").set_value("Camera").run()
    assert not at.exception
    assert "Allow the camera" in at.info[0].value
    at.camera_input(key="camera").upload("shot.jpg", picture("JPEG"), "image/jpeg").run()
    assert not at.exception
    assert verdict(at)[0].startswith("### ")
    line, _ = verdict(at)
    for page in ("feature_maps", "predict"):
        at.switch_page(f"app_pages/{page}.py").run()
        assert not at.exception
    assert verdict(at)[0] == line, "as an upload, it stays on the other pages"


def test_synthetic_images_are_called_so(open_page, write_run, runs_dir, trained_run, said):
    write_run("a", end={"state": "stopped", "reason": ""}, weights_of=trained_run)
    at = open_page(runs_dir, "predict")
    assert not at.exception
    assert at.image[0].captions == ["synthetic test image 0"]
    assert "synthetic shapes" in said(at)


def test_where_the_test_images_are_gone_it_says_so_and_uploads_still_work(
    open_page, write_run, runs_dir, trained_run, tmp_path
):
    settings = {"data_source": "folder", "data_dir": tmp_path / "gone"}
    write_run("a", end={"state": "stopped", "reason": ""}, weights_of=trained_run, settings=settings)
    at = open_page(runs_dir, "predict")
    assert not at.exception
    assert len(at.error) == 1
    assert plain(tmp_path / "gone") in at.error[0].value
    at.segmented_control(key="from").set_value("Upload").run()
    at.file_uploader(key="uploads").upload("mine.png", picture()).run()
    assert not at.exception
    assert verdict(at)[0].startswith("### ")


@pytest.mark.parametrize("harm", ["weights", "manifest"])
def test_a_damaged_checkpoint_is_said_in_a_sentence(open_page, write_run, runs_dir, trained_run, harm):
    run = write_run("a", end={"state": "stopped", "reason": ""})
    folder = run.path / "checkpoints"
    folder.mkdir()
    manifest = json.loads((trained_run.path / "best.json").read_text())["manifest"]
    content = json.loads((trained_run.path / "checkpoints" / manifest).read_text())
    weights = manifest.replace(".json", ".safetensors")
    if harm == "manifest":
        del content["input_spec"]
    else:
        content["files"][weights]["sha256"] = "0" * 64
        (folder / weights).write_bytes(b"x" * 100)
    (folder / manifest).write_text(json.dumps(content))
    (run.path / "best.json").write_text(json.dumps({"manifest": manifest}))
    at = open_page(runs_dir, "predict")
    assert not at.exception
    assert len(at.error) == 1
    assert "damaged" in at.error[0].value
    assert not at.get("plotly_chart")


@pytest.mark.parametrize(("page", "key"), [("predict", "run"), ("compare", "run_b")])
def test_whoever_clears_the_run_keeps_the_one_that_was_there(open_page, write_run, runs_dir, trained_run, page, key):
    for name in ("first", "second", "third"):
        write_run(name, end={"state": "finished", "reason": ""}, weights_of=trained_run)
    at = open_page(runs_dir, page, **{key: "first"})
    at.selectbox(key=key).set_value(None).run()
    assert not at.exception
    assert at.selectbox(key=key).value == "first"
