"""The Walkthrough page: the numbers it prints add up, for any unit of any layer."""

import re
from decimal import Decimal

import numpy as np
import pytest

from core.model import CONV_LAYERS
from dashboard.numbers import adding_up, grid_html, scientific, tex, written

FIRST, LAST = ["Where it looks", "Multiply", "Add up", "ReLU"], ["Where the value goes"]
LRN, POOLING = ["Local response normalisation"], ["Pooling"]
STEPS = {
    "conv1": FIRST + LRN + POOLING + LAST,
    "conv2": FIRST + LRN + POOLING + LAST,
    "conv3": FIRST + LAST,
    "conv4": FIRST + LAST,
    "conv5": FIRST + POOLING + LAST,
}
INPUTS = {"conv1": 3, "conv2": 96, "conv3": 256, "conv4": 384, "conv5": 384}
DECIMALS = {"conv1": 3, "conv2": 4, "conv3": 4, "conv4": 4, "conv5": 4}


@pytest.fixture
def walkthrough(open_page, trained_run):
    return lambda **address: open_page(trained_run.path.parent, "walkthrough", **address)


def number(text):
    return Decimal(text.replace("−", "-"))


def tables(at):
    """Every table on the page, as rows of texts."""
    found = "".join(element.proto.body for element in at.get("html"))
    return [
        [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall("<tr>(.*?)</tr>", table)]
        for table in re.findall("<table.*?</table>", found)
    ]


def bill(at):
    """The lines of step 3: name -> number."""
    return {name: number(value) for name, value in next(t for t in tables(at) if t[-1][0] == "output")}


def equations(at):
    """Of each input channel shown: what its title says and the numbers of its patch, kernel and products."""
    (body,) = (e.proto.body for e in at.get("html") if "products add up to" in e.proto.body)
    sections = re.findall("<section.*?</section>", body)
    totals = [number(re.search("products add up to ([−.0-9]+)", section)[1]) for section in sections]
    grids = [
        [[number(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", table)]
         for table in re.findall("<table.*?</table>", section)]
        for section in sections
    ]  # fmt: skip
    return list(zip(totals, grids, strict=True))


def steps(at):
    return [subheader.value for subheader in at.subheader]


@pytest.mark.parametrize("layer", CONV_LAYERS)
def test_what_is_printed_adds_up(walkthrough, said, layer):
    at = walkthrough(layer=layer, channel="7", row="0", column="3")
    assert not at.exception
    assert steps(at) == [f"{i}. {title}" for i, title in enumerate(STEPS[layer], 1)]
    shown = equations(at)
    assert len(shown) == min(INPUTS[layer], 6)
    for total, (patch, kernel, products) in shown:
        assert sum(products) == total
        assert all(-value.as_tuple().exponent == DECIMALS[layer] for value in patch + kernel + products)
        assert [float(p) for p in products] == pytest.approx(
            [float(x * w) for x, w in zip(patch, kernel, strict=True)], abs=3 * 10.0 ** -DECIMALS[layer]
        )
    lines = bill(at)
    parts = list(lines.values())[:-3]
    assert parts[: len(shown)] == [total for total, _ in shown]
    assert len(parts) == len(shown) + (layer != "conv1")
    assert sum(parts) == lines["all products"]
    assert lines["all products"] + lines["bias"] == lines["output"]
    assert any(f"= {str(lines['output']).replace('-', '−')}" in formula.value for formula in at.latex)
    assert "row 0, column 3" in said(at)


@pytest.mark.parametrize("layer", ["conv2", "conv3", "conv4", "conv5"])
def test_all_input_channels_are_in_the_chart_and_end_at_the_sum(walkthrough, said, layer):
    at = walkthrough(layer=layer, channel="3", row="5", column="5")
    (chart,) = at.get("plotly_chart")
    assert f"each of {INPUTS[layer]} input channels adds" in chart.proto.alt
    ends_at = float(re.search("ends at (-?[.0-9]+)", chart.proto.alt)[1])
    assert ends_at == pytest.approx(float(bill(at)["all products"]), abs=2e-4)
    six, others = re.search(rf"These 6 of {INPUTS[layer]} give \*\*(.*?)\*\*; all others together \*\*(.*?)\*\*",
                            said(at)).groups()  # fmt: skip
    assert number(six) + number(others) == bill(at)["all products"]


def test_the_squares_of_the_neighbours_add_up(walkthrough, said):
    at = walkthrough(layer="conv1", channel="0", row="20", column="20")
    neighbours = next(table for table in tables(at) if table[-1][0] == "sum of squares")
    assert [line[0].split(":")[0] for line in neighbours[:-1]] == ["channel 0 (this one)", "channel 1", "channel 2"]
    assert sum(number(value) for _, value in neighbours[:-1]) == number(neighbours[-1][1])
    assert "2 of the five are missing" in said(at)


def test_the_greatest_of_the_pooling_window_is_outlined(walkthrough):
    for row in range(4):  # a trained network is silent in places
        at = walkthrough(layer="conv1", channel="2", row=str(row), column="6")
        window = next(t for t in tables(at) if len(t) == 3 and len(t[0]) == 3)
        values = [number(cell) for line in window for cell in line]
        (body,) = (e.proto.body for e in at.get("html") if "The window of pool1" in e.proto.body)
        outlined = re.findall(r"<td[^>]*outline[^>]*>(.*?)</td>", body)
        assert [number(cell) for cell in outlined] == ([max(values)] if any(values) else [])


def test_beyond_the_map_the_patch_is_hatched(walkthrough):
    at = walkthrough(layer="conv2", channel="0", row="0", column="13")
    (body,) = (e.proto.body for e in at.get("html") if "products add up to" in e.proto.body)
    assert body.count("repeating-linear-gradient") == 6 * 2 * 5  # of each patch, two rows of five
    at.number_input(key="row").set_value(13).run()
    assert not any("repeating-linear-gradient" in e.proto.body for e in at.get("html"))


def test_a_pixel_pinned_after_pooling_is_let_go(open_page, trained_run):
    at = open_page(trained_run.path.parent, "feature_maps", layer="conv1", stage="pool", row="20", column="20")
    assert at.number_input(key="row").value == 20
    at.switch_page("app_pages/walkthrough.py").run()
    assert not at.exception
    assert at.number_input(key="row").value is None
    at.number_input(key="row").set_value(40).run()
    at.number_input(key="column").set_value(41).run()
    assert (at.number_input(key="row").value, at.number_input(key="column").value) == (40, 41)
    at.switch_page("app_pages/feature_maps.py").run()
    assert at.number_input(key="row").value is None


def test_without_a_pixel_the_strongest_is_walked_through(walkthrough, said):
    at = walkthrough(layer="conv4", channel="9")
    assert at.number_input(key="row").value is None
    strongest = bill(at)["output"]
    row, column = re.search(r"row (\d+), column (\d+)", said(at)).groups()
    for other in ("0", "6", "12"):
        assert bill(walkthrough(layer="conv4", channel="9", row=other, column=other))["output"] <= strongest
    assert bill(walkthrough(layer="conv4", channel="9", row=row, column=column))["output"] == strongest


def test_the_value_is_followed_from_layer_to_layer_to_the_neurons(walkthrough, said):
    at = walkthrough(layer="conv1", channel="95", row="54", column="54")
    for layer in CONV_LAYERS[1:]:
        at.button(key="walk_on").click().run()
        assert not at.exception
        assert at.segmented_control(key="layer").value == layer
        assert steps(at) == [f"{i}. {title}" for i, title in enumerate(STEPS[layer], 1)]
    assert "in one row of 9,216 numbers" in said(at)
    assert "See what the network says" in [link.proto.label for link in at.get("page_link")]
    assert not any(button.key == "walk_on" for button in at.button)


def test_another_picture_gives_other_numbers(walkthrough):
    at = walkthrough(layer="conv1", channel="4", row="9", column="9")
    first = bill(at)
    at.number_input(key="image").set_value(3).run()
    assert not at.exception
    assert bill(at) != first


def test_another_layer_begins_at_its_strongest_unit(walkthrough, said):
    at = walkthrough(layer="conv3", channel="383", row="12", column="0")
    at.segmented_control(key="layer").set_value("conv1").run()
    assert not at.exception
    assert at.number_input(key="channel").value == 95
    assert at.number_input(key="row").value is None
    assert "row 12, column 0" not in said(at)


def test_a_link_to_a_unit_that_is_not_there_is_said(walkthrough, said):
    at = walkthrough(layer="conv5", channel="7", row="40", column="x")
    assert not at.exception
    assert "The link asks for row '40', which isn't here" in said(at)
    assert "The link asks for column 'x', which isn't here" in said(at)


def test_the_difference_to_the_network_is_said(walkthrough, said):
    digit, power = re.search(r"differs from its numbers by at most (\d)(?: × 10⁻(.))?", said(walkthrough())).groups()
    assert digit == "0" or power in "⁵⁶⁷⁸⁹"


def test_without_a_run_the_next_step_is_said(open_page, runs_dir, said):
    at = open_page(runs_dir, "walkthrough")
    assert not at.exception
    assert "No trained network yet" in said(at)


def test_rounding_makes_sums_come_out():
    random = np.random.default_rng(0)
    for count in (1, 2, 7, 25, 121):
        parts = random.normal(size=(1, count)) ** 3
        for decimals in (0, 3, 4):
            printed = [Decimal(f"{value:.{decimals}f}") for value in adding_up(parts, decimals).ravel()]
            assert sum(printed) == Decimal(f"{parts.sum():.{decimals}f}") + 0
            off = np.abs(np.array(printed, dtype=float) - parts.ravel())
            assert off.max() < 1.5 * 10.0**-decimals


def test_rounding_towards_a_given_sum():
    assert adding_up(np.array([0.26, 0.26, 0.0]), 1, total=0.6).tolist() == [0.3, 0.3, 0.0]
    assert adding_up(np.array([0.26, 0.24, 0.0]), 1, total=0.4).tolist() == [0.2, 0.2, 0.0]


def test_numbers_that_are_none_are_printed_as_such():
    parts = np.array([1.0, np.nan])
    assert adding_up(parts, 2) is parts
    assert "nan" in grid_html(parts[None], 2, title="Patch", colors="signed", low=-1, high=1)
    assert (written(np.nan, 2), scientific(np.nan)) == ("nan", "nan")


def test_how_numbers_are_written():
    assert [written(value, 2) for value in (-1.234, -0.001, 0.005001)] == ["−1.23", "0.00", "0.01"]
    assert [tex(value, 1) for value in (-1.26, 1.26, -0.01)] == ["(-1.3)", "1.3", "0.0"]
    assert [scientific(value) for value in (2.4e-7, 0.0, 0.03)] == ["2 × 10⁻⁷", "0", "3 × 10⁻²"]
