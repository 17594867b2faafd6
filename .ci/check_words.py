"""Find words of .ci/words.txt in prose (comments, texts, pages, documents) and in names of code. For `make lint`.

usage: python .ci/check_words.py
"""

import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
KINDS = (".py", ".js", ".html", ".css", ".md")
EXEMPT = re.compile(r"^(CHANGELOG\.md|\.ci/.*|tests/.*|.*/migrations/versions/.*|robo_rlhf/core/legacy_names\.py)$")
JS_COMMENT = re.compile(r"^\s*/?\*(?!.*@).*|//.*$")  # not those that give types
JS_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")
JS_TEXT = re.compile(r'"([^"\n/]* [^"\n]*)"|`([^`\n/]* [^`\n]*)`')  # no addresses
MARKUP = re.compile(r"<[^>]*>|\{[%{][^}]*[%}]\}")
CODE = re.compile(r"`[^`\n]*`")  # names of things keep their letters


PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")  # of a name: heard_at, lastHeard
JS_NAME = re.compile(r"(?<![\w#\"'/-])[A-Za-z_$][\w$]*")
HTML_NAMES = re.compile(r'\b(?:id|class|for|name|data-[\w-]+)="([^"{]*)"')
CSS_NAME = re.compile(r"[.#][A-Za-z][\w-]*|--[\w-]+")
OF_NAMES = "name "


def rules() -> tuple[list[tuple[re.Pattern[str], str]], dict[str, str]]:
    """Return what to write instead of each pattern in prose, and of each word in a name."""
    lines = (ROOT / ".ci/words.txt").read_text().splitlines()
    split = [line.split("\t") for line in lines if line and not line.startswith("#")]
    in_prose = [(re.compile(p, re.IGNORECASE), instead) for p, instead in split if not p.startswith(OF_NAMES)]
    return in_prose, {p.removeprefix(OF_NAMES): instead for p, instead in split if p.startswith(OF_NAMES)}


def names(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number of the line and each name in the code, ids and classes of a file; not strings and comments."""
    text = path.read_text()
    if path.suffix == ".py":
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NAME:
                yield token.start[0], token.string
    for number, line in enumerate(text.split("\n"), 1) if path.suffix == ".js" else ():
        if not line.lstrip().startswith("*"):
            yield from ((number, name) for name in JS_NAME.findall(JS_STRING.sub("", JS_COMMENT.sub("", line))))
    pattern = {".html": HTML_NAMES, ".css": CSS_NAME}.get(path.suffix)
    for number, line in enumerate(text.split("\n"), 1) if pattern else ():
        yield from ((number, name) for name in pattern.findall(line))


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number and the prose of each line of a file."""
    text = path.read_text()
    if path.suffix == ".py":
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and " " in token.string):
                yield from enumerate(token.string.split("\n"), token.start[0])
    for number, line in enumerate(text.split("\n"), 1):
        if path.suffix == ".js":
            texts = [first or second for first, second in JS_TEXT.findall(line)]
            yield number, " ".join([*JS_COMMENT.findall(line), *texts])
        elif path.suffix == ".html":
            yield number, MARKUP.sub(" ", line)
        elif path.suffix == ".md":
            yield number, line


def main() -> int:
    """Print every hit; return 1 where there is one."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    found = 0
    known, in_names = rules()
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix not in KINDS or EXEMPT.match(name) or not path.exists():
            continue
        for number, line in prose(path):
            for pattern, instead in known:
                for hit in pattern.finditer(CODE.sub("", line)):
                    print(f"{name}:{number}: {hit[0]!r}: write {instead}")
                    found += 1
        for number, word in names(path):
            for part in {part.lower() for part in PARTS.findall(word)} & in_names.keys():
                print(f"{name}:{number}: {word!r} has {part!r} in it: write {in_names[part]}")
                found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
