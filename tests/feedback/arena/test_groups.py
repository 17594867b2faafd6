"""Ratings of an arena's policies by each group of its judges."""

from pathlib import Path

import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.feedback.arena.groups import by_group
from robo_rlhf.feedback.store import Store
from tests.feedback.arena.test_arena import answer, asked, made
from tests.feedback.making import join_team

NAMES = ("ann", "bo", "cleo", "dan")


def test_one_judge_against_four_is_shown_with_intervals_and_a_warning(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arena = made(home, seeds=30, policies=2, overlap=5)
    with Store(home / "feedback.db") as store:
        store.add_questions(asked(arena))
        for question in store.questions():
            for name in NAMES:
                answer(arena, store, question, name)
            answer(arena, store, question, "zed", better="worse")
        assert by_group(arena, store) == []
        join_team(store, "zed", "left-handed, expert")
        join_team(store, "ann", "expert")
        expert, left = by_group(arena, store)
        assert (left.group, left.judges, expert.judges) == ("left-handed", 1, 2)
        best = {
            name: side.to_json()["policies"][0]["name"] for name, side in (("own", left.found), ("rest", left.rest))
        }
        assert best == {"own": "worse", "rest": "better"}
        assert left.warning.startswith("The group left-handed prefers worse to better in 100 % (")
        assert expert.warning == ""  # one each way
        assert left.to_json()["others"]["policies"][0]["rating"]["low"] > left.found.ratings.values[1].low
    assert main(["arena", "show", "--name", "blind", "--by-group"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "not left-handed" in shown
    assert "one ranking does not serve both" in shown
    assert main(["arena", "show", "--by-group"]) != 0
    assert "--name of an arena" in capsys.readouterr().err
