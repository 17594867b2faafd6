"""What Schemathesis needs to know to send a ZIP file: loaded by its command, see `test_fuzz`."""

import io
import json
import zipfile

import schemathesis
from hypothesis import strategies as st

_NAMES = st.sampled_from(["answers", "questions", "annotators", "gold", "clips", "notes", "signals", "rounds", "tasks"])
_VALUES = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=8), st.just({}), st.just([]))
_ROWS = st.dictionaries(
    st.sampled_from(
        ["id", "name", "question_id", "annotator", "kind", "value", "run", "round", "clips", "meta", "task"]
    ),
    _VALUES,
    max_size=8,
)


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """Return a ZIP file of rows that are mostly broken, or something that is none."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as out:
        for name in draw(st.sets(_NAMES, max_size=3)):
            rows = draw(st.lists(_ROWS, max_size=3))
            ending = draw(st.sampled_from(["jsonl", "jsonl", "jsonl", "parquet", "txt"]))
            out.writestr(f"{name}.{ending}", "\n".join(json.dumps(row) for row in rows))
    content = held.getvalue()
    return content[: draw(st.integers(0, len(content)))] if draw(st.integers(0, 9)) == 0 else content


schemathesis.openapi.media_type("application/zip", archives())
