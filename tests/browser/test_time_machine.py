"""The time machine in a browser: the slider by keyboard, playing to the end, and a link that opens the same moment."""

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def epoch(page: Page):
    return page.locator(".st-key-epoch input")


def test_one_slider_moves_all_panels_and_a_link_brings_them_back(serve, window, trained_run):
    server = serve(trained_run.path.parent)
    page = window().open(f"{server.url}/time_machine?epoch=0&layer=conv3")
    expect(page.get_by_text("The network is validated at the end of each epoch")).to_be_visible()
    expect(page.locator(".st-key-time_mosaic canvas")).to_have_attribute("aria-label", re.compile("after epoch 0"))
    expect(page).to_have_url(re.compile("epoch=0"))
    epoch(page).focus()
    epoch(page).press("ArrowRight")
    expect(page.get_by_text("Rows: true class")).to_be_visible()
    expect(page.locator(".st-key-time_mosaic canvas")).to_have_attribute("aria-label", re.compile("after epoch 1"))
    expect(page).to_have_url(re.compile("epoch=1"))
    page.locator(".st-key-time_mosaic canvas").click(position={"x": 65, "y": 20})
    expect(page.get_by_text(re.compile(r"Channel [1-9]\d* of conv3 over time"))).to_be_visible()

    expect(page).to_have_url(re.compile(r"channel=\d"))

    other = window(color_scheme="dark").open(page.url)
    expect(other.locator(".st-key-time_mosaic canvas")).to_have_attribute("aria-label", re.compile("after epoch 1"))
    expect(other.get_by_text(re.compile(r"Channel [1-9]\d* of conv3 over time"))).to_be_visible()


@pytest.mark.parametrize("times_slower", [1, 8])
def test_it_plays_to_the_newest_epoch(serve, window, trained_run, times_slower):
    page = window().open(f"{serve(trained_run.path.parent).url}/time_machine?epoch=0")
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": times_slower})
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    expect(page.locator(".st-key-time_mosaic canvas")).to_have_attribute("aria-label", re.compile("after epoch 2"))
    expect(page).not_to_have_url(re.compile("epoch="))
