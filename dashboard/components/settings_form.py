"""The fields of a new run: each, with its limits and its help text, comes from TrainConfig."""

import types
from typing import Any, Literal, Union, get_args, get_origin

import streamlit as st

from core.config import TrainConfig, field_help, make_config
from core.errors import ConfigError
from core.paths import runs_dir
from core.presets import PRESET_HELP, PRESETS, Preset, preset_values
from core.runs.checkpoints import available
from core.runs.differences import differing_settings
from core.runs.run import list_runs
from dashboard import pins, state
from dashboard.markdown import plain

_SOURCES = {"shapes": "Synthetic shapes", "cifar10": "CIFAR-10", "folder": "My own folder"}
_MAIN_FIELDS = ("preset", "data_source", "data_dir", "pretrained")
_NO_PRESETS = (*_MAIN_FIELDS, "pinned_images")  # what a preset leaves as it is


def pick_settings() -> TrainConfig | None:
    """What the widgets say; None while a folder is still to be named. Raises ConfigError."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        source = st.segmented_control(
            "Images", list(_SOURCES), default="shapes", required=True, key=state.SOURCE,
            format_func=_SOURCES.__getitem__, persist_state="session", help=field_help("data_source"),
        )  # fmt: skip
        preset: Preset = st.segmented_control(
            "Preset", PRESETS, default="smoke", required=True, key=state.PRESET, persist_state="session",
            help="  \n".join(f"**{name}**: {text}" for name, text in PRESET_HELP.items()),
        )  # fmt: skip
        _first_weights(state.setting("pretrained", preset, ""))
    st.caption(PRESET_HELP[preset])
    folder = ""
    if source == "folder":
        folder = st.text_input(
            "Folder on this computer", key=state.FOLDER, persist_state="session", placeholder="~/pictures/my-classes",
            help="One folder per class, or train/<class> and test/<class>. At least two classes.",
        )  # fmt: skip
    with st.expander("All settings", icon=":material/tune:"):
        _settings(preset, _data_key())
    if source == "folder" and not folder:
        st.info("Name the folder that holds one folder of images per class.", icon=":material/folder_open:")
        return None
    try:
        config = chosen_settings()
    except ConfigError:
        _back_to_the_preset(preset, [name for name in TrainConfig.model_fields if name not in _NO_PRESETS])
        raise
    _changes(config)
    return config


def _changes(config: TrainConfig) -> None:
    """What differs from the preset: the settings themselves are folded away."""
    elsewhere = {*_NO_PRESETS, *(("normalize", "lrn_alpha", "whitening") if config.pretrained else ())}
    here = {name: getattr(config, name) for name in TrainConfig.model_fields if name not in elsewhere}
    usual = make_config(**_data(), preset=config.preset)
    changed = differing_settings({"preset": {name: getattr(usual, name) for name in here}, "form": here})["form"]
    place = st.container(horizontal=True, vertical_alignment="center")  # also where empty: what follows keeps its place
    if changed.empty:
        return
    with place:
        listed = " · ".join(f"{str(name).replace('_', ' ')} **{plain(value)}**" for name, value in changed.items())
        st.caption(f"Unlike the preset: {listed}", width="content")
        _back_to_the_preset(config.preset, [*changed.index])


def _back_to_the_preset(preset: Preset, names: list[str]) -> None:
    st.button("Back to the preset", key="as_preset", type="tertiary", on_click=_reset, args=(preset, names))


def _reset(preset: Preset, names: list[str]) -> None:
    usual = make_config(preset=preset)
    for name in names:  # assigned, for a browser keeps what a widget shows while its key is gone
        st.session_state[state.setting(name, preset, "")] = getattr(usual, name)


def chosen_settings() -> TrainConfig:
    """The form as it is at this moment; a click must not start what an earlier drawing of it said."""
    preset, data = st.session_state[state.PRESET], _data_key()
    keys = {name: state.setting(name, preset, data) for name in TrainConfig.model_fields}
    values = {name: st.session_state[key] for name, key in keys.items() if key in st.session_state}
    return make_config(preset=preset, **_data(), **values)


def _data() -> dict[str, Any]:
    """The images that the widgets name, as fields of TrainConfig."""
    source = st.session_state[state.SOURCE]
    folder = st.session_state.get(state.FOLDER) if source == "folder" else None
    return {"data_source": source, "data_dir": folder or None}


def _data_key() -> str:
    """TrainConfig.data_key of these; "" while a folder is still to be named. Raises ConfigError."""
    data = _data()
    if data["data_source"] == "folder" and not data["data_dir"]:
        return ""
    seed = st.session_state.get(state.setting("seed", st.session_state[state.PRESET], ""))
    return make_config(**data, **({} if seed is None else {"seed": seed})).data_key


def _first_weights(key: str) -> None:
    """Random ones, or those of a run's best checkpoint."""
    runs = [run.id for run in list_runs(runs_dir()) if "best" in available(run)]
    st.selectbox(
        "Weights to begin with", runs, index=None, placeholder="random weights", key=key, persist_state="session",
        width=260, help=field_help("pretrained"),
    )  # fmt: skip


def _settings(preset: Preset, data: str) -> None:
    """A widget for each further field, three to a row."""
    defaults = TrainConfig(**preset_values(preset), data_source="shapes", pinned_images=pins.pinned(data))
    with st.grid(3, min_column_width=200):
        for name in TrainConfig.model_fields:
            if name not in _MAIN_FIELDS:
                _widget(name, getattr(defaults, name), state.setting(name, preset, data))


def _widget(name: str, default: Any, key: str) -> Any:
    label, text = name.replace("_", " ").capitalize(), field_help(name)
    annotation = TrainConfig.model_fields[name].annotation
    if get_origin(annotation) is tuple:  # not kept: the pins on the other pages are its default
        listed = ", ".join(map(str, default))
        return st.text_input(label, listed, key=key, help=text, placeholder="one a class, up to eight")
    kept: dict[str, Any] = {"key": key, "help": text, "persist_state": "session"}
    if get_origin(annotation) is Literal:
        options = get_args(annotation)
        return st.selectbox(label, options, index=options.index(default), **kept)
    if annotation is bool:
        return st.toggle(label, default, **kept)
    # Without limits: a browser keeps a number beyond them to itself, and the run would begin with the one before.
    if annotation is float:
        step = 0.01 if 0.1 <= default < 1 or not default else default / 10
        return st.number_input(label, value=float(default), format="%g", step=step, **kept)
    if get_origin(annotation) not in (Union, types.UnionType):
        return st.number_input(label, value=default, step=1, **kept)
    if key not in st.session_state:  # as the widget's own default, it would come back whenever the field is emptied
        st.session_state[key] = default
    return st.number_input(label, value=None, step=1, placeholder="all", **kept)
