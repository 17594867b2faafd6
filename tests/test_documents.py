"""README.md and docs: what they link to is there, and their Python is Python; `tests/test_snippets.py` runs it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def headings(document: Path) -> set[str]:
    """Return what a link can name behind a #: headings in lower case, spaces as hyphens, without other signs."""
    found = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    lost = []
    for link in LINK.findall(document.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        name, _, heading = link.partition("#")
        target = document.parent / name if name else document
        if not target.exists() or (heading and heading not in headings(target)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_pieces_of_python_compile(document: Path) -> None:
    for code in re.findall(r"^```(?:python|py)\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL):
        compile(code, str(document), "exec")


def test_every_page_is_in_the_navigation() -> None:
    """Sphinx says so too, but only `make lint` asks it; those of decisions are listed by their table."""
    index = (ROOT / "docs" / "index.md").read_text()
    pages = [path.relative_to(ROOT / "docs") for path in DOCUMENTS[2:] if "decisions" not in path.parts]
    missing = [page for page in pages if str(page.with_suffix("")) not in index]
    assert missing == [Path("index.md")]
    table = (ROOT / "docs" / "decisions" / "README.md").read_text()
    assert [path.name for path in (ROOT / "docs/decisions").glob("[a-z]*.md") if f"]({path.name})" not in table] == []
