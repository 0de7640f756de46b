"""The report of a run as a stranger opens it: from a disk, without a network; and how it is got from the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from core.data.example import example_image
from core.data.sources import load_test_images
from core.export.report import Subject, export_report
from core.runs.checkpoints import find_checkpoint, open_model

pytestmark = pytest.mark.browser
HOSTILE = ("<script>alert(1)</script>", "\"><img src=x onerror='alert(2)'>", '<a href="javascript:alert(3)">x</a>')


def opened(context: BrowserContext, file: Path) -> tuple[Page, list[str]]:
    """The file in a tab without a network, and whatever it complained of or asked for."""
    context.set_offline(True)
    page, problems = context.new_page(), []
    page.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: problems.append(request.url) if asks(request.url, file) else None)
    page.goto(file.as_uri())
    return page, problems


def asks(url: str, file: Path) -> bool:
    return urlsplit(url).scheme not in ("data", "blob") and url != file.as_uri()


@pytest.fixture
def report(trained_run, data_dir, tmp_path: Path) -> Path:
    """A report whose class names are attacks."""
    checkpoint = replace(find_checkpoint(trained_run), class_names=HOSTILE)
    images = replace(load_test_images(trained_run.config, data_dir=data_dir), class_names=HOSTILE)
    subject = Subject(checkpoint, open_model(checkpoint), lambda: images, example_image(), HOSTILE[0], HOSTILE[1])
    export_report(subject, tmp_path / "report.html")
    return tmp_path / "report.html"


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 400)])
def test_it_opens_from_a_disk_without_a_network(chromium: Browser, report: Path, theme, width):
    context = chromium.new_context(color_scheme=theme, viewport={"width": width, "height": 900})
    page, problems = opened(context, report)
    for name in ("loss", "accuracy", "learning_rate", "gradient_norm", "images_per_second", "confusion", "classes"):
        expect(page.locator(f"#{name} .main-svg").first).to_be_visible()
    assert page.locator("img").evaluate_all("all => all.filter(e => !e.complete || !e.naturalWidth).length") == 0
    expect(page.locator("#classes").get_by_text(HOSTILE[0]).first).to_be_attached()
    assert page.locator("main script:not([type='application/json'])").count() == 0
    assert page.locator("a[href^='javascript']").count() == 0
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}[theme]
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert problems == []
    context.close()


def test_it_is_prepared_and_downloaded_on_the_page(serve, window, chromium, trained_run, tmp_path: Path):
    page = window().open(f"{serve(trained_run.path.parent).url}/take_away")
    page.locator(".st-key-export_report button").click()
    expect(page.locator(".st-key-export_report_download button")).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    with page.expect_download() as download:
        page.locator(".st-key-export_report_download button").click()
    assert download.value.suggested_filename == f"trained-step-{find_checkpoint(trained_run).step}-report.html"
    download.value.save_as(tmp_path / "report.html")
    context = chromium.new_context()
    opened_page, problems = opened(context, tmp_path / "report.html")
    expect(opened_page.get_by_role("heading", name="trained", exact=True)).to_be_visible()
    expect(opened_page.locator("#loss .main-svg").first).to_be_visible()
    assert problems == []
    context.close()
