"""What holds on every page, over one finished run: width, themes, keyboard, and who is served."""

import http.client
import re
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

PAGES = {
    "": "Runs",
    "predict": "What the network sees",
    "feature_maps": "channels of",
    "time_machine": "over time, on one scale",
    "why": "Integrated gradients",
    "mistakes": "Click a cell",
    "neighbours": "Place the test images",
    "layers": "How to read it",
    "walkthrough": "Where the value goes",
    "compare": "Curves, results and settings",
    "poke": "Switch channels off",
    "dream": "Let it climb from noise",
    "architecture": "Parameters",
    "take_away": "TensorBoard",
}


def test_it_starts_from_another_folder_and_serves_only_this_machine(serve, window, trained_run, tmp_path: Path):
    server = serve(trained_run.path.parent, cwd=tmp_path)
    tabs = window()
    page = tabs.open(server.url)
    for section, title, page_name in (
        ("", "Predict", "predict"), ("Understand", "Mistakes", "mistakes"), ("Experiment", "Poke it", "poke"),
        ("", "Train", ""),
    ):  # fmt: skip
        if section:
            page.get_by_role("button", name=section, exact=True).click()
        page.get_by_role("menuitem" if section else "link", name=title).first.click()
        expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        expect(page.get_by_text(PAGES[page_name]).first).to_be_visible()
        # Whoever leaves before the pictures are there asks for some that the server has dropped.
        page.wait_for_function("() => [...document.images].every(image => image.complete)")
    expect(page.locator(".st-key-status")).to_contain_text("Finished")
    image = "![](https://evil.org/a.png) www.evil.org"
    page = tabs.open(f"{server.url}/predict?{urlencode({'run': image})}")
    expect(page.get_by_test_id("stAlert")).to_contain_text(re.sub("(?=:|[.]evil)", "\u2060", image))
    assert page.locator("[src*=evil], [href*=evil]").count() == 0
    assert tabs.hosts == {"127.0.0.1"}

    answers = {}
    for host in ("127.0.0.1", "evil.example"):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        headers = {
            "Host": f"{host}:{server.port}", "Origin": f"http://{host}:{server.port}", "Connection": "Upgrade",
            "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }  # fmt: skip
        connection.request("GET", "/_stcore/stream", headers=headers)
        answers[host] = connection.getresponse().status
        connection.close()
    assert answers == {"127.0.0.1": 101, "evil.example": 403}


def test_on_a_narrow_dark_screen_nothing_hangs_over(serve, window, trained_run):
    server = serve(trained_run.path.parent)
    tabs = window(color_scheme="dark", viewport={"width": 400, "height": 800})
    too_wide = {}
    for path, sign in PAGES.items():
        page = tabs.open(f"{server.url}/{path}")
        expect(page.get_by_text(sign).first).to_be_visible()
        if path == "":
            expect(page.locator(".st-key-curves .main-svg").first).to_be_visible()
        if path == "layers":
            expect(page.locator(".st-key-one_layer .main-svg").first).to_be_visible()
        if path == "feature_maps":
            expect(page.locator(".st-key-mosaic canvas")).to_be_visible()
        background = page.locator("[data-testid=stApp]").evaluate("e => getComputedStyle(e).backgroundColor")
        lightness = sum(int(part) for part in re.findall(r"\d+", background)[:3]) / 3
        assert lightness < 128
        wide = page.evaluate(
            "() => [document.documentElement, document.querySelector('[data-testid=stMain]')]"
            ".map(e => e.scrollWidth - e.clientWidth)"
        )  # fmt: skip
        if max(wide) > 0:
            too_wide[path] = wide
        page.close()
    assert too_wide == {}


def test_the_arrow_keys_walk_over_the_channels(serve, window, trained_run):
    page = window().open(f"{serve(trained_run.path.parent).url}/feature_maps?layer=conv3&channel=5")
    canvas = page.locator(".st-key-mosaic canvas")
    enlarged = page.locator(".st-key-channel input")
    expect(canvas).to_have_attribute("aria-label", re.compile("384 feature maps of conv3"))
    expect(enlarged).to_have_value("5")
    canvas.focus()
    canvas.press("ArrowRight")
    canvas.press("ArrowRight")
    expect(enlarged).to_have_value("7")
    expect(page.get_by_text("conv3, channel 7", exact=True)).to_be_visible()
    canvas.press("ArrowDown")
    expect(enlarged).not_to_have_value("7")
    below = int(enlarged.input_value())
    assert below > 8, "a row further"
    canvas.press("ArrowUp")
    expect(enlarged).to_have_value("7")
    canvas.press("End")
    expect(enlarged).to_have_value("383")
    canvas.press("ArrowRight")  # there is none: it stays
    canvas.press("Home")
    expect(enlarged).to_have_value("0")
    expect(page.locator(".st-key-mosaic .spoken")).to_contain_text("channel 0")


def test_the_form_goes_back_to_its_preset_and_stays_there(serve, window, trained_run):
    """A browser keeps what a widget shows, and says it again with each click."""
    page = window().open(serve(trained_run.path.parent).url)
    page.get_by_text("New run").click()
    page.get_by_text("All settings").click()
    epochs = page.locator(".st-key-new_num_epochs_smoke input")
    epochs.fill("20")
    epochs.press("Enter")
    expect(page.get_by_text("Unlike the preset: num epochs 20")).to_be_visible()
    page.get_by_role("button", name="Back to the preset").click()
    expect(epochs).to_have_value("4")
    page.get_by_text("Loss on a log scale").click()  # any other click
    expect(page.get_by_text("Unlike the preset")).to_have_count(0)
    expect(epochs).to_have_value("4")


def test_every_page_shows_and_names_the_run_and_its_checkpoint(serve, window, trained_run):
    page = window().open(f"{serve(trained_run.path.parent).url}/predict")
    for name in ("Predict", "Feature maps", "Predict"):
        page.get_by_role("link", name=name).click()
        expect(page.locator(".st-key-checkpoint [aria-checked=true]")).to_have_text("best")
        expect(page).to_have_url(re.compile(r"run=trained.*checkpoint=best"))


def test_what_a_user_hid_stays_hidden_and_zoom_stays_with_its_axis(serve, window, trained_run):
    page = window().open(serve(trained_run.path.parent).url)
    plot = page.locator(".lc-panel:has(> figcaption:text-matches('^Loss')) .js-plotly-plot")
    expect(plot.locator(".legend")).to_be_visible()
    expect(page.locator(".lc-panel > figcaption").nth(3)).to_contain_text("Gradient before clipping; ")

    def hidden_and_range():
        return plot.evaluate("p => [p.data.map(t => t.visible === 'legendonly'), p.layout.xaxis.range.map(Math.round)]")

    plot.locator(".legendtoggle").nth(1).click()
    page.wait_for_function("p => p.data[1].visible === 'legendonly'", arg=plot.element_handle())
    plot.evaluate("async p => { await (await window.alexnetPlotly).relayout(p, {'xaxis.range': [2, 4]}) }")
    page.get_by_text("Loss on a log scale").click()
    page.wait_for_function("p => p.layout.yaxis.type === 'log'", arg=plot.element_handle())
    assert hidden_and_range() == [[False, True], [2, 4]]
    page.get_by_text("Epoch", exact=True).first.click()
    page.wait_for_function("p => p.layout.xaxis.title.text === 'Epoch'", arg=plot.element_handle())
    hidden, (low, high) = hidden_and_range()
    assert hidden == [False, True]
    assert (low, high) == (0, 2), "all epochs"
