"""Rendering of guidelines: Markdown in, sanitised HTML out."""

from functools import cache

from markdown_it import MarkdownIt
from markupsafe import Markup


@cache
def _parser() -> MarkdownIt:
    """Return a parser that takes no HTML, and draws no pictures from elsewhere."""
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "html_block", "html_inline"])


def as_html(text: str) -> Markup:
    """Return a text as HTML; tags in it are shown as they were typed, and links lead to web pages only."""
    return Markup(_parser().render(text))
