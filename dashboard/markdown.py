"""Names that users choose (classes, files, runs) inside text that Streamlit reads as Markdown."""

import re

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:^=&])")


def plain(text: str) -> str:
    """`text` to be shown as it is: no emphasis, link, formula, icon, colour or heading."""
    return _SPECIAL.sub(r"\\\1", text)
