"""The small charts of the time machine: tables for a reader, a picture where there are too many classes for numbers."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from core.inspection.mosaic import colormap
from dashboard.html_charts import confusion_html, ink_on, luminance, probability_rows

LONG = "a class with a name & that goes <on>"


def rows(html):
    """(name, percentage) of each row of a table."""
    return re.findall(r'<tr title="([^"]*)">.*?([0-9.]+%)</td></tr>', html)


def test_few_classes_are_a_table_in_their_order():
    html = probability_rows(np.float32([0.2, 0.7, 0.1]), ("b", LONG, "a"), "a")
    assert rows(html) == [("b", "20.0%"), ("a class with a name &amp; that goes &lt;on&gt;", "70.0%"), ("a", "10.0%")]
    assert html.count("true class") == 1
    assert "<on>" not in html
    assert "caption" not in html


def test_of_many_classes_the_most_probable_and_the_true_one_are_shown():
    names = [f"c{i}" for i in range(1000)]
    said = np.linspace(0, 1, 1000, dtype=np.float32)
    found = [name for name, _ in rows(probability_rows(said / said.sum(), names, "c3"))]
    assert found == ["c3", *(f"c{i}" for i in range(990, 1000))]
    assert len(rows(probability_rows(said / said.sum(), names, "c995"))) == 10


def test_a_confusion_matrix_of_few_classes_has_its_numbers():
    html = confusion_html(np.array([[8, 2], [0, 0]]), ("x", LONG))
    assert re.findall(r">([0-9]+)</td>", html) == ["8", "2", "0", "0"]
    assert html.count("goes &lt;on&gt;") == 4
    for share, ink in ((8, "#000"), (2, "#fff")):
        red, green, blue = colormap("viridis")[round(share / 10 * 255)].tolist()
        assert f"background:rgb({red},{green},{blue});color:{ink}" in html


def test_a_confusion_matrix_of_many_classes_is_one_small_picture():
    counts = np.diag(np.arange(1, 1001))
    counts[0, 5] = 3
    html = confusion_html(counts, [f"c{i}" for i in range(1000)])
    assert len(html) < 40_000
    assert "500,500 of 500,503 images" in html
    data = base64.b64decode(re.search(r"base64,([^\"]+)", html)[1])
    picture = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    palette = colormap("viridis")
    assert (picture[1, 1] == palette[255]).all()
    assert (picture[0, [0, 5, 9]] == palette[[64, 191, 0]]).all()
    assert confusion_html(np.eye(20, dtype=int), list("abcdefghijklmnopqrst")).count("</td>") == 401


def test_ink_is_black_on_what_is_light_and_can_be_read_on_every_shade():
    assert (ink_on((250, 240, 30)), ink_on((60, 0, 80))) == ("#000", "#fff")
    assert (luminance((0, 0, 0)), luminance((255, 255, 255))) == pytest.approx((0, 1))
    for name in ("viridis", "signed"):
        for shade in colormap(name).tolist():
            light = luminance(shade)
            contrast = (light + 0.05) / 0.05 if ink_on(shade) == "#000" else 1.05 / (light + 0.05)
            assert contrast >= 4.5, (name, shade)
