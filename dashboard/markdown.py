"""Names that users choose (classes, files, runs), and errors that quote them, inside text read as Markdown."""

import re
from collections.abc import Sequence

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:^=&])")
_ADDRESS = re.compile(r"https?(?=:)|www(?=\.)|(?=@)", re.IGNORECASE)


def plain(text: object) -> str:
    """`text` to be shown as it is: no emphasis, link, formula, icon, colour or heading."""
    # An address becomes a link even where it is escaped; a word joiner, which can't be seen, keeps it from being one.
    return _SPECIAL.sub(r"\\\1", _ADDRESS.sub("\\g<0>\u2060", str(text)))


def some(names: Sequence[str], most: int = 5) -> str:
    """The first of them, each as it is, and how many more there are."""
    first = ", ".join(map(plain, names[:most]))
    return first if len(names) <= most else f"{first} and {len(names) - most:,} more"
