"""The licences of what this project needs: it is under the MIT licence, and stays usable under it."""

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LESSER: dict[str, str] = {}  # required packages under the LGPL, with the reason why each is taken: none today
OPTIONAL = frozenset({"postgres", "hdf5", "minari", "test", "lint", "docs", "bench"})


def named(name: str) -> str:
    """Return the name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required(extras: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return the licence of every package that pyproject.toml asks for here, and of what those need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(text for extra in extras for text in project["optional-dependencies"][extra])]
    waiting = [pair for text in asked for pair in needed(text)]
    found, seen = {}, {(project["name"], "")}
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            if not extras:
                raise
            continue  # an extra that is not installed
        found[name] = licence(package.metadata)
        waiting += [pair for text in package.requires or () for pair in needed(text, extra)]
    return found


def needed(text: str, extra: str = "") -> Iterator[tuple[str, str]]:
    """Yield the package that a requirement names, without and with each extra; nothing where it does not hold here."""
    requirement = Requirement(text)
    if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
        yield from ((named(requirement.name), wanted) for wanted in ("", *sorted(requirement.extras)))


def licence(about: metadata.PackageMetadata) -> str:
    """Return all that a package says of its licence: the expression, the classifiers, the first line of free text."""
    classifiers = [word for word in about.get_all("Classifier", []) if word.startswith("License ::")]
    free = (about.get("License") or "").strip().splitlines()[:1]
    return " | ".join([*filter(None, [about.get("License-Expression")]), *classifiers, *free])


def refusal(name: str, text: str) -> str | None:
    """Return why a required package may not be one; None where it may.

    Of alternatives ("GPL-2.0 OR MIT") one is enough; a GPL with an exception for linking ("WITH ...") is none.
    """
    if not text:
        return f"{name} does not say what its licence is"
    worst = [_strictness(choice) for choice in re.split(r"\bOR\b", text)]
    if min(worst) == 2:
        return f"{name} is under the GPL or AGPL: {text}"
    if min(worst) == 1 and name not in LESSER:
        return f"{name} is under the LGPL, and LESSER gives no reason for it: {text}"
    return None


def _strictness(text: str) -> int:
    """Return 2 for the GPL and AGPL, 1 for the LGPL, else 0; of several that hold together the strictest."""
    words = re.split(r"\bAND\b|\|", re.sub(r"\S+\s+WITH\s+\S*exception\S*", "", text, flags=re.IGNORECASE))
    return max(map(_one, words))


def _one(text: str) -> int:
    if re.search(r"LGPL|(Lesser|Library) General Public", text, re.IGNORECASE):
        return 1
    return 2 * bool(re.search(r"GPL|General Public Licen[cs]e", text, re.IGNORECASE))


def test_no_required_package_is_under_the_gpl() -> None:
    assert [why for name, text in sorted(required().items()) if (why := refusal(name, text))] == []


def test_the_search_finds_what_is_needed_by_what_is_needed() -> None:
    found = required()
    assert {"torch", "sympy", "mpmath", "uvloop", "imageio", "mako"} <= set(found)  # also of extras of what we name
    assert not {"pytest", "psycopg", "ruff", "robo-rlhf"} & set(found)
    assert set(found) < set(required(OPTIONAL))


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("GPL-3.0-or-later", True),
        ("License :: OSI Approved :: GNU General Public License v3 (GPLv3)", True),
        ("AGPL-3.0-only", True),
        ("License :: OSI Approved :: GNU Affero General Public License v3", True),
        ("LGPL-3.0-only", True),
        ("License :: OSI Approved :: GNU Lesser General Public License v2 (LGPLv2)", True),
        ("MIT AND GPL-2.0-only", True),
        ("", True),
        ("GPL-2.0-only OR MIT", False),
        ("BSD-3-Clause AND GPL-3.0-or-later WITH GCC-exception-3.1", False),
        ("Apache-2.0 AND Apache-2.0 WITH LLVM-exception AND BSL-1.0", False),
        ("MPL-2.0", False),
    ],
)
def test_what_is_refused(text: str, refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.LESSER", {})
    assert (refusal("made-up", text) is not None) == refused


def test_the_lgpl_is_taken_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LESSER, "made-up", "linked, not copied")
    assert refusal("made-up", "LGPL-3.0-only") is None
    assert refusal("made-up", "GPL-3.0-only") is not None


def test_the_document_lists_what_is_pinned_and_nothing_else() -> None:
    """Those of extras too, which are listed and not refused."""
    lists = (ROOT / "docs/licences.md").read_text().partition("## Required packages")[2]
    table = {name for name in re.findall(r"^\| ([a-z0-9-]+) \| .+? \|$", lists, re.MULTILINE) if name != "package"}
    pins = (ROOT / ".ci/constraints.txt").read_text()
    pinned = {named(name) for name in re.findall(r"^([\w.-]+)==", pins, re.MULTILINE)}
    assert set(required(OPTIONAL)) & pinned <= table <= pinned
