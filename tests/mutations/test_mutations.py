from pathlib import Path

import pytest

from tests.mutations.harness import kinds, run

KINDS = kinds()


@pytest.mark.parametrize("name", sorted(KINDS))
def test_damaged_and_foreign_files_are_told(name: str, tmp_path: Path) -> None:
    assert run(KINDS[name], tmp_path, 50).total() == 50


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_thousand_damaged_and_foreign_files_are_told(name: str, tmp_path: Path) -> None:
    ends = run(KINDS[name], tmp_path, 1000, first=1000)
    print(name, dict(sorted(ends.items())))
    assert ends.total() == 1000
    assert ends["refused"] + ends["told"] > 300


def test_a_reader_that_believes_everything_is_found_out(tmp_path: Path) -> None:
    name = "run config"
    believing = KINDS[name]._replace(read=lambda folder: (folder / "run" / "config.json").read_bytes())
    with pytest.raises((AssertionError, OSError)):
        run(believing, tmp_path, 50)
