"""The Feature maps page in a real browser: tiles in an order, receptive fields under the pointer, pinned pixels."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from core.inspection.receptive_field import Box, centers, receptive_field

pytestmark = pytest.mark.browser

MOSAIC = ".st-key-mosaic canvas"
PHOTO = ".st-key-unit .photo canvas"
MAP = ".st-key-unit .map canvas"


def open_page(tabs, server, address: str) -> Page:
    page = tabs.open(f"{server.url}/feature_maps?{address}")
    expect(page.locator(MAP)).to_have_attribute("data-channel", re.compile(r"\d+"))
    return page


def inside(canvas: Locator, x: float, y: float) -> dict[str, float]:
    """A place in a canvas by its shares of width and height, for Playwright."""
    box = canvas.bounding_box()
    return {"x": x * box["width"], "y": y * box["height"]}


def drawn_box(page: Page) -> list[float]:
    """Top, left, bottom and right of the box on the photo, in pixels of the network's input."""
    return page.locator(".st-key-unit .box").evaluate(
        """box => {
          const [inner, outer] = [box, box.parentElement].map(e => e.getBoundingClientRect())
          const pixels = (value, from) => (value - from) * 227 / outer.width
          return [pixels(inner.top, outer.top), pixels(inner.left, outer.left),
                  pixels(inner.bottom, outer.top), pixels(inner.right, outer.left)]
        }"""
    )


def as_list(box: Box) -> list[float]:
    return [box.top, box.left, box.bottom, box.right]


def test_the_receptive_field_follows_the_pointer_and_a_pinned_pixel_travels_in_the_link(serve, window, trained_run):
    server = serve(trained_run.path.parent)
    page = open_page(window(), server, "layer=conv3&channel=5&image=2")
    where, photo, enlarged = page.locator(".st-key-unit .where"), page.locator(PHOTO), page.locator(MAP)
    for row, column in ((4, 7), (0, 12), (12, 0)):
        enlarged.hover(position=inside(enlarged, (column + 0.5) / 13, (row + 0.5) / 13))
        expect(where).to_contain_text(f"Row {row}, column {column}:")
        assert drawn_box(page) == pytest.approx(as_list(receptive_field("relu3", row, column)), abs=0.5)
        # On the photo each unit is where its receptive field is centred.
        at = [(center + 3) / 227 for center in centers("relu3")]
        photo.hover(position=inside(photo, at[column], at[row]))
        expect(where).to_contain_text(f"Row {row}, column {column}:")
    expect(page.locator(".st-key-row input")).to_have_value("")  # nothing is pinned by hovering

    enlarged.click(position=inside(enlarged, 7.5 / 13, 4.5 / 13))
    expect(page.locator(".st-key-row input")).to_have_value("4")
    expect(page.locator(".st-key-column input")).to_have_value("7")
    enlarged.press("ArrowRight")
    enlarged.press("ArrowUp")
    expect(page.locator(".st-key-column input")).to_have_value("8")
    expect(page).to_have_url(re.compile(r"row=3.*column=8|column=8.*row=3"))
    page.mouse.move(0, 0)
    expect(page.locator(".st-key-unit .seen")).to_contain_text("sees 99 × 99 pixels of the input · pinned")

    other = window()
    same = open_page(other, server, page.url.split("?")[1])
    expect(same.locator(".st-key-unit .where")).to_have_text(where.inner_text())
    assert drawn_box(same) == pytest.approx(as_list(receptive_field("relu3", 3, 8)), abs=0.5)
    assert same.locator(MAP).get_attribute("data-channel") == "5"
    same.locator(MAP).press("Escape")
    expect(same.locator(".st-key-row input")).to_have_value("")
    expect(same).not_to_have_url(re.compile("row="))
    expect(same.locator(".st-key-unit .seen")).to_contain_text("the strongest here")


def test_a_click_enlarges_and_the_arrows_walk_in_the_order_that_is_shown(serve, window, trained_run):
    page = open_page(window(), serve(trained_run.path.parent), "layer=conv3&image=2&sort=strongest")
    mosaic, enlarged = page.locator(MOSAIC), page.locator(MAP)
    expect(mosaic).to_have_attribute("data-painted", re.compile("384 feature maps of conv3"))
    order = []
    for x in (20, 80):  # tiles are at most 96 pixels wide and at least 38
        mosaic.hover(position={"x": x, "y": 20})
        order.append(re.search(r"channel (\d+)", mosaic.get_attribute("title")).group(1))
    assert order[0] != order[1]
    mosaic.click(position={"x": 20, "y": 20})
    expect(enlarged).to_have_attribute("data-channel", order[0])
    expect(page.locator(".st-key-channel input")).to_have_value(order[0])
    mosaic.press("ArrowRight")
    expect(enlarged).to_have_attribute("data-channel", order[1])
    expect(page).to_have_url(re.compile(f"channel={order[1]}"))
    above = page.locator(".st-key-unit .bar .high")
    shown = float(above.inner_text())
    page.get_by_text("layer", exact=True).last.click()
    expect(above).to_contain_text("and above")
    assert shown > 0


def test_a_test_image_is_chosen_among_thumbnails_while_they_stay_open(serve, window, trained_run):
    page = open_page(window(), serve(trained_run.path.parent), "layer=conv3&image=0")
    page.get_by_role("button", name="Browse").click()
    thumbnails = page.locator(".st-key-browser_mosaic canvas")
    expect(thumbnails).to_have_attribute("data-painted", "6 test images")
    thumbnails.press("End")
    expect(page).to_have_url(re.compile(r"image=[1-5]"))
    chosen = page.url.partition("image=")[2][0]
    expect(page.get_by_label("Test image, 0 to 5")).to_have_value(chosen)
    expect(page.get_by_text(re.compile(f"test image {chosen}, .* selected"))).to_be_attached()
    expect(thumbnails).to_be_visible()


def test_the_newest_choice_is_drawn_however_late_the_scripts_come(serve, window, trained_run):
    """A browser that waits for one module several times, goes on in any order."""
    tabs, held = window(), []
    tabs.context.add_init_script(
        "const made = URL.createObjectURL\n"
        "URL.createObjectURL = blob => blob.type === 'text/javascript'"
        " ? `${location.origin}/held.js?${made(blob)}` : made(blob)"
    )
    tabs.context.route(re.compile("/held.js"), lambda route: held.append(route))
    page = tabs.open(f"{serve(trained_run.path.parent).url}/feature_maps?layer=conv1")
    for layer, channels in (("conv1", 96), ("conv2", 256), ("conv3", 384), ("conv4", 384), ("conv5", 256)):
        page.get_by_text(layer, exact=True).click()
        expect(page.get_by_text(f"All {channels} channels of {layer}")).to_be_visible()
    assert len(held) == 2  # of the mosaic and of the enlarged map
    for route in held:
        module = route.request.url.partition("?")[2]
        route.fulfill(body=f"export {{ default }} from '{module}'", content_type="text/javascript")
    expect(page.locator(MOSAIC)).to_have_attribute("data-painted", re.compile("256 feature maps of conv5"))
    expect(page.locator(".st-key-unit .name")).to_have_text(re.compile("conv5"))
