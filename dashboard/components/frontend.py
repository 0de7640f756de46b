"""The styles and scripts of our own components, from the files beside this one."""

from pathlib import Path

_HERE = Path(__file__).parent


def style(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def script(*names: str) -> str:
    """A module of these files, which can use one another's functions and those of newest.js."""
    return "".join((_HERE / name).read_text(encoding="utf-8") for name in ("newest.js", *names))
