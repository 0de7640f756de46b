"""The main story as a user lives it: train, watch, stop, classify, look inside; and what a crash leaves behind."""

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from core.data.shapes import make_shapes

pytestmark = pytest.mark.browser

LOSS = ".st-key-curves .js-plotly-plot"
_LAST_X = "plot => plot.calcdata?.[0]?.at(-1)?.x ?? -1"
_POINTS = "plot => plot.calcdata?.[0]?.length ?? 0"


def status(page: Page):
    return page.locator(".st-key-status")


def fill_in(page: Page, **values: object) -> None:
    """Type into the number fields of the form, each followed by Enter as a user would."""
    page.get_by_text("All settings").click()
    for name, value in values.items():
        field = page.locator(f".st-key-new_{name}_smoke input")
        field.fill(str(value))
        field.press("Enter")


def start(page: Page) -> str:
    """Press the button; the name of the run that trains now."""
    button = page.locator(".st-key-start").get_by_role("button")
    expect(button).to_be_enabled()
    button.click()
    expect(status(page)).to_contain_text("Running")
    return status(page).locator("strong").inner_text()


def wait_for_growth(page: Page, script: str, more_than: float) -> float:
    """Until the first chart's number is larger; that number."""
    plot = page.locator(LOSS).first
    page.wait_for_function(
        f"([selector, least]) => {{ const plot = document.querySelector(selector);"
        f" return plot && ({script})(plot) > least }}",
        arg=[LOSS, more_than],
    )  # fmt: skip
    return plot.evaluate(script)


@pytest.fixture(scope="module")
def jpeg(real_tree) -> bytes:
    """A picture to upload: a real one where there are some, else a drawn one."""
    if real_tree:
        return next((real_tree / "test" / "ship").iterdir()).read_bytes()
    images, _ = make_shapes(1, 1, seed=1)
    buffer = io.BytesIO()
    Image.fromarray(images.image(0)).save(buffer, "JPEG")
    return buffer.getvalue()


def test_train_watch_stop_classify_and_look_inside(serve, window, runs_dir, jpeg, real_tree):
    page = window().open(serve(runs_dir).url)
    if real_tree:
        page.get_by_text("My own folder", exact=True).click()
        page.locator(".st-key-folder input").fill(str(real_tree))
        page.locator(".st-key-folder input").press("Enter")
        expect(page.locator(".st-key-start").get_by_role("button")).to_be_enabled()
    fill_in(page, train_limit=400, val_limit=20, num_epochs=50, batch_size=4)
    expect(page.get_by_text("400 training images")).to_be_visible()
    start(page)

    # The curve moves, in the same place, and keeps the zoom that the user made.
    points = wait_for_growth(page, _POINTS, 2)
    node = page.locator(LOSS).first.element_handle()
    points = wait_for_growth(page, _POINTS, points)
    area = page.locator(f"{LOSS} .nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.8, steps=5)
    page.mouse.up()
    page.wait_for_function("plot => plot.layout.xaxis.autorange === false", arg=node)
    zoomed = node.evaluate("plot => [...plot.layout.xaxis.range, ...plot.layout.yaxis.range]")
    last = node.evaluate(_LAST_X)
    wait_for_growth(page, _LAST_X, last + 1)
    assert node.evaluate("(plot, selector) => plot === document.querySelector(selector)", LOSS)
    assert node.evaluate("plot => [...plot.layout.xaxis.range, ...plot.layout.yaxis.range]") == zoomed

    page.locator(".st-key-stop").get_by_role("button").click()
    expect(status(page)).to_contain_text("Stopped")
    expect(page.locator(".st-key-resume").get_by_role("button")).to_be_enabled()

    page.get_by_role("link", name="Predict").click()
    expect(page.get_by_role("heading", name="Predict", exact=True)).to_be_visible()
    page.get_by_text("Upload", exact=True).click()
    page.locator("input[type=file]").set_input_files({"name": "mine.jpg", "mimeType": "image/jpeg", "buffer": jpeg})
    expect(page.get_by_role("heading", name=re.compile(r"^[a-z ]+ · \d+\.\d%$"))).to_be_visible()
    expect(page.get_by_text("mine.jpg").first).to_be_visible()

    page.get_by_role("link", name="Feature maps").click()
    expect(page.get_by_role("heading", name="Feature maps", exact=True)).to_be_visible()
    page.get_by_text("Test set", exact=True).click()
    page.get_by_text("conv3", exact=True).click()
    expect(page.get_by_text("All 384 channels of conv3")).to_be_visible()
    canvas = page.locator(".st-key-mosaic canvas")
    expect(canvas).to_have_attribute("aria-label", re.compile("384 feature maps of conv3"))
    drawn = "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
    assert canvas.evaluate(drawn) > 50, "the mosaic is a picture"
    canvas.hover(position={"x": 150, "y": 20})
    expect(canvas).to_have_attribute("title", re.compile(r"channel \d+"))
    number = re.match(r"channel (\d+)", canvas.get_attribute("title")).group(1)
    canvas.click(position={"x": 150, "y": 20})
    expect(page.get_by_text(f"conv3, channel {number}", exact=True)).to_be_visible()
    expect(page.locator(".st-key-channel input")).to_have_value(number)
    expect(page).to_have_url(re.compile(rf"layer=conv3.*channel={number}|channel={number}.*layer=conv3"))


def test_every_tab_shows_the_same_run_and_it_survives_the_server(serve, window, runs_dir):
    server = serve(runs_dir)
    tabs = window()
    page = tabs.open(server.url)
    other = tabs.open(server.url)
    fill_in(page, train_limit=400, val_limit=20, num_epochs=50, batch_size=4)
    expect(page.get_by_text("400 training images")).to_be_visible()
    run_id = start(page)
    for tab in (page, other):  # the other learns of it by itself
        expect(status(tab)).to_contain_text("Running")
        expect(status(tab)).to_contain_text(run_id)
    wait_for_growth(page, _POINTS, 1)
    page.reload()
    expect(status(page)).to_contain_text("Running")
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_role("menuitem", name="Architecture").click()
    expect(page.get_by_text("58,322,314").first).to_be_visible()
    page.get_by_role("link", name="Train").click()
    expect(status(page)).to_contain_text(run_id)
    seen = wait_for_growth(page, _LAST_X, 3)
    page.close()
    other.close()

    server.kill()
    page = tabs.open(serve(runs_dir).url)
    expect(status(page)).to_contain_text("Interrupted")
    expect(status(page)).to_contain_text(run_id)
    expect(page.get_by_text("ended without a word")).to_be_visible()
    assert wait_for_growth(page, _LAST_X, 0) >= seen, "nothing that was shown is lost"
    page.locator(".st-key-resume").get_by_role("button").click()
    expect(status(page)).to_contain_text("Running")
    wait_for_growth(page, _LAST_X, seen)  # the checkpoint is older than what was seen: it has to catch up
    page.locator(".st-key-stop").get_by_role("button").click()
    expect(status(page)).to_contain_text("Stopped")
