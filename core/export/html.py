"""Pieces of an HTML page; every text is escaped here, once."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from html import escape
from typing import Any

from PIL import Image


def text(value: object) -> str:
    """`value` fit to stand between tags or in a quoted attribute."""
    return escape(str(value), quote=True)


def section(title: str, *parts: str) -> str:
    """A heading and what belongs under it."""
    return f"<section><h2>{text(title)}</h2>{''.join(parts)}</section>"


def paragraph(words: str, kind: str = "") -> str:
    return f'<p class="{kind}">{text(words)}</p>' if kind else f"<p>{text(words)}</p>"


def code(command: str) -> str:
    return f"<pre><code>{text(command)}</code></pre>"


def table(header: Sequence[str], rows: Sequence[Sequence[object]], caption: str) -> str:
    """A table that scrolls by itself where the screen is narrow."""
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in header)
    body = "".join("<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<div class="wide"><table><caption>{text(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def data_url(content: bytes, kind: str) -> str:
    """`content` as an address that holds it. kind: its media type, such as image/png."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def picture(image: Image.Image, alt: str, caption: str = "", kind: str = "") -> str:
    """`image` within the page, as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    source = data_url(buffer.getvalue(), "image/png")
    words = f"<figcaption>{text(caption)}</figcaption>" if caption else ""
    return f'<figure class="{kind}"><img src="{source}" alt="{text(alt)}">{words}</figure>'


def chart(name: str, alt: str, data: list[dict[str, Any]], layout: dict[str, Any], height: int = 320) -> str:
    """A Plotly chart that report.js draws. Escape what is written in it: Plotly reads that as a kind of HTML."""
    spec = json.dumps({"data": data, "layout": layout}, allow_nan=False).replace("<", "\\u003c")
    return (
        f'<div class="chart" id="{name}" role="img" aria-label="{text(alt)}" style="height:{height}px"></div>'
        f'<script type="application/json" data-chart="{name}">{spec}</script>'
    )
