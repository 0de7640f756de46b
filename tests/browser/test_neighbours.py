"""The map of Neighbours: a click on a point chooses its image."""

import io
import re
import shutil

import pytest
from PIL import Image
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(buffer, "PNG")
    return buffer.getvalue()


def test_a_click_on_a_point_and_on_a_thumbnail_chooses_the_image(serve, window, trained_run, tmp_path):
    copy = tmp_path / "runs" / "a"
    shutil.copytree(trained_run.path, copy, ignore=shutil.ignore_patterns("derived", "checkpoints"))
    (copy / "checkpoints").symlink_to(trained_run.path / "checkpoints")
    page = window().open(f"{serve(tmp_path / 'runs').url}/neighbours?image=2")
    page.get_by_role("button", name="Place the test images").click()
    points = page.locator(".st-key-embedding_map .scatterlayer .point")
    expect(points).to_have_count(6 + 5 + 1)  # with a ring around each neighbour, and the star
    number = page.get_by_role("spinbutton", name=re.compile("Test image"))
    expect(number).to_have_value("2")
    expect(page.locator(".st-key-neighbours canvas")).to_have_attribute("aria-label", re.compile("5 test images"))
    star = points.last.bounding_box()
    apart = max(range(6), key=lambda index: abs(points.nth(index).bounding_box()["x"] - star["x"]))
    place = points.nth(apart).bounding_box()
    page.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    expect(number).not_to_have_value("2")
    chosen = number.input_value()
    expect(page).to_have_url(re.compile(f"image={chosen}\\b"))
    page.locator(".st-key-neighbours canvas").click(position={"x": 30, "y": 30})
    expect(number).not_to_have_value(chosen)

    page.get_by_text("Upload", exact=True).click()
    page.locator("input[type=file]").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": png()})
    expect(page.get_by_text("a.png").first).to_be_visible()
    page.locator(".st-key-neighbours canvas").click(position={"x": 30, "y": 30})
    expect(number).to_be_visible()
    page.get_by_text("last", exact=True).click()  # any other choice: the browser must not bring the upload back
    expect(page).to_have_url(re.compile("checkpoint=last"))
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    expect(number).to_be_visible()
