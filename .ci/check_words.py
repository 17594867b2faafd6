"""Find words of .ci/words.txt in prose: comments and texts of Python and scripts, pages, documents. For `make lint`.

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
KINDS = (".py", ".js", ".html", ".md")
EXEMPT = re.compile(r"^(CHANGELOG\.md|\.ci/.*|tests/.*|.*/migrations/versions/.*|robo_rlhf/core/legacy_names\.py)$")
JS_COMMENT = re.compile(r"^\s*/?\*(?!.*@).*|//.*$")  # not those that give types
JS_TEXT = re.compile(r'"([^"\n/]* [^"\n]*)"|`([^`\n/]* [^`\n]*)`')  # no addresses
MARKUP = re.compile(r"<[^>]*>|\{[%{][^}]*[%}]\}")
CODE = re.compile(r"`[^`\n]*`")  # names of things keep their letters


def rules() -> list[tuple[re.Pattern[str], str]]:
    """Return each pattern with what to write instead."""
    lines = (ROOT / ".ci/words.txt").read_text().splitlines()
    split = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [(re.compile(pattern, re.IGNORECASE), instead) for pattern, instead in split]


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
    known = rules()
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix not in KINDS or EXEMPT.match(name) or not path.exists():
            continue
        for number, line in prose(path):
            for pattern, instead in known:
                for hit in pattern.finditer(CODE.sub("", line)):
                    print(f"{name}:{number}: {hit[0]!r}: write {instead}")
                    found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
