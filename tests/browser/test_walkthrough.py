"""The walkthrough as a reader sees it: a link opens a unit, its numbers add up, a click on the map goes to another."""

import re
from decimal import Decimal

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def number(text):
    return Decimal(text.replace("−", "-"))


def test_a_link_opens_a_unit_and_its_numbers_add_up(serve, window, trained_run):
    url = f"{serve(trained_run.path.parent).url}/walkthrough?layer=conv3&channel=5&row=0&column=4"
    page = window(viewport={"width": 400, "height": 900}).open(url)
    expect(page.get_by_text("row 0, column 4", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="5. Where the value goes")).to_be_visible()

    sections = page.locator("section", has_text="products add up to")
    expect(sections).to_have_count(6)
    shown = []
    for section in sections.all():
        total = number(re.search("add up to (.*)", section.inner_text())[1])
        assert sum(number(cell) for cell in section.locator("table").last.locator("td").all_inner_texts()) == total
        shown.append(total)
    ledger = page.locator("table", has_text="output").locator("tr")
    lines = {name: number(value) for name, value in (row.split("\t") for row in ledger.all_inner_texts())}
    assert list(lines.values())[:6] == shown
    assert sum(list(lines.values())[:7]) == lines["all products"]
    assert lines["all products"] + lines["bias"] == lines["output"]
    expect(page.locator(".st-key-unit .where")).to_contain_text("Row 0, column 4")
    reading = page.locator(".st-key-unit .where").inner_text().rpartition(" ")[2]
    assert float(lines["output"]) == pytest.approx(float(reading), rel=0.01, abs=1e-4)

    canvas = page.locator(".st-key-unit .map canvas")
    side = canvas.bounding_box()["width"] / 13
    canvas.click(position={"x": 8.5 * side, "y": 6.5 * side})
    expect(page.get_by_text("row 6, column 8", exact=True)).to_be_visible()
    expect(page.locator(".st-key-row input")).to_have_value("6")
    expect(page).to_have_url(re.compile("row=6.*column=8"))
    page.get_by_role("button", name="Walk on to conv4").click()
    expect(page.get_by_text("channels of relu3; every weight")).to_be_visible()
    expect(page).to_have_url(re.compile("layer=conv4"))
