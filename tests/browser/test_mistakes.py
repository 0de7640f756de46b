"""The mistake explorer as a user has it: a cell, an image, and the address of what is seen."""

import re

import pytest
from playwright.sync_api import expect

from core.data.sources import load_test_images
from core.outcomes import judge
from core.runs.checkpoints import load_model

pytestmark = pytest.mark.browser


def test_two_clicks_lead_to_an_image_and_its_address_leads_back(serve, window, trained_run, data_dir):
    images = load_test_images(trained_run.config, data_dir=data_dir)
    found = judge(load_model(trained_run), images)
    cells = [(t, p) for t in range(3) for p in range(3) if len(found.select(t, p))]
    true, predicted = next(cell for cell in cells if found.select(*cell)[0] != 0)  # 0 is chosen from the start
    image, names = found.select(true, predicted)[0], images.class_names

    tabs = window()
    page = tabs.open(f"{serve(trained_run.path.parent).url}/mistakes")
    page.get_by_role("button", name=f"true {names[true]}, predicted {names[predicted]}:").click()
    canvas = page.locator(".st-key-gallery canvas")
    label = re.compile(f"Images of {names[true]}, predicted {names[predicted]}.")
    expect(canvas).to_have_attribute("aria-label", label)
    canvas.click(position={"x": 20, "y": 20})
    heading = page.get_by_role("heading", name=f"Test image {image}: {names[true]}")
    expect(heading).to_be_visible()
    expect(page.get_by_role("img", name=f"what speaks for {names[true]}")).to_be_visible()
    expect(page).to_have_url(re.compile(f"image={image}(&|$)"))

    again = tabs.open(page.url)
    expect(again.locator(".st-key-gallery canvas")).to_have_attribute("aria-label", label)
    expect(again.get_by_role("heading", name=f"Test image {image}: {names[true]}")).to_be_visible()
    chosen = again.get_by_role("button", name=f"true {names[true]}, predicted {names[predicted]}:")
    expect(chosen).to_have_attribute("aria-pressed", "true")


def test_the_arrow_keys_walk_over_the_table(serve, window, trained_run):
    page = window().open(f"{serve(trained_run.path.parent).url}/mistakes?true=circle&predicted=cross")
    chosen = page.get_by_role("button", name="true circle, predicted cross:")
    expect(chosen).to_have_attribute("aria-pressed", "true")
    chosen.focus()
    chosen.press("ArrowDown")
    below = page.get_by_role("button", name="true cross, predicted cross:")
    expect(below).to_be_focused()
    below.press("Enter")
    expect(below).to_have_attribute("aria-pressed", "true")
    expect(page).to_have_url(re.compile("true=cross"))
