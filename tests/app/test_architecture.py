"""The Architecture page: the layer table, the drawing and the sums."""


def test_the_table_names_every_layer_and_its_sums_are_the_networks(open_page, runs_dir):
    at = open_page(runs_dir, "architecture")
    assert not at.exception
    table = at.dataframe[0].value.set_index("name")
    assert {"conv1", "conv5", "fc6", "fc8", "lrn1", "pool2", "relu3"} <= set(table.index)
    assert table.loc["conv1", "output"] == "96 × 55 × 55"
    assert table.loc["conv3", "output"] == "384 × 13 × 13"
    assert table.loc["fc6", "parameters"] == 9216 * 4096 + 4096
    metrics = {metric.label: metric.value for metric in at.metric}
    assert metrics["Parameters"] == f"{table['parameters'].sum():,}" == "58,322,314"
    assert metrics["Weights in memory"] == "233 MB"


def test_the_drawing_shows_each_convolution_with_its_shape(open_page, runs_dir):
    drawing = open_page(runs_dir, "architecture").get("html")[0].value
    for name, shape in (("input", "3×227×227"), ("conv1", "96×55×55"), ("conv5", "256×13×13"), ("fc8", "10")):
        assert f">{name}<" in drawing
        assert f">{shape}<" in drawing
