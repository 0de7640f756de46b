"""The styles and scripts of our own components, from the files beside this one."""

from pathlib import Path


def read(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def script(*names: str) -> str:
    """A module of these files, which can use one another's functions and those of newest.js."""
    return "".join(map(read, ("newest.js", *names)))
