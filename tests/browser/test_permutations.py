"""Every order of clips, from the review page in Chromium through database and export to the reward's training data."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page

from robo_rlhf.core.types import Segment
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import AnswerValue
from robo_rlhf.feedback.store import Question, Store, question_id
from robo_rlhf.feedback.transfer.export import Format, export
from robo_rlhf.feedback.transfer.import_folder import import_all
from tests.browser.conftest import OpenPage, serving
from tests.browser.operating import sign_in
from tests.browser.test_review import answers, plays, press, shown
from tests.reviewing import ask

STEPS = 10
Order = tuple[str, ...]  # names of clips of a question, the best first


def asked(home: Path, kind: str, orders: list[Order]) -> list[Question]:
    """Return a question for each order, all about the same clips."""
    episodes = Dataset(home / "samples/pick_place").list()
    clips = tuple(Segment(info.meta.id, 3, STEPS) for info in episodes[: len(orders[0])])
    ids = [question_id("all", number, kind, clips) for number in range(len(orders) + 1)]  # one that is left over
    return [
        Question(name, "all", number, kind, "pick_place", clips, "samples/pick_place")
        for number, name in enumerate(ids)
    ]


def rank(page: Page, order: Order) -> None:
    """Say on the page that the clips are so good, wherever they stand."""
    plays(page)
    stand = [clip.get_attribute("data-name") for clip in page.locator(".clips.now .clip-of").all()]
    assert sorted(map(str, stand)) == sorted(order)
    if len(order) == 2:
        press(page, str(1 + stand.index(order[0])))
        return
    for name in order:
        page.keyboard.press(str(1 + stand.index(name)))
    press(page, "Enter")


def places(kind: str, order: Order) -> list[float]:
    """Return what a reward is to learn from: shares of a pair, places of a ranking."""
    return [float(order[0] == name) if kind == "pairwise" else order.index(name) for name in sorted(order)]


def meant(kind: str, order: Order) -> AnswerValue:
    """Return the answer that says so."""
    return {"choice": order[0]} if kind == "pairwise" else {"ranking": [[name] for name in order]}


@pytest.mark.parametrize(
    ("kind", "clips", "format"),
    [
        pytest.param("pairwise", 2, "jsonl", marks=pytest.mark.slow),
        ("ranking", 3, "parquet"),
        pytest.param("ranking", 4, "jsonl", marks=pytest.mark.slow),
        pytest.param("ranking", 5, "parquet", marks=pytest.mark.slow),
    ],
)
def test_every_order_of_clips_is_learned_as_it_was_meant(
    kind: str, clips: int, format: Format, sample_home: Path, tmp_path: Path, open_page: OpenPage
) -> None:
    home = tmp_path / "home"
    shutil.copytree(sample_home, home)
    orders = list(itertools.permutations("ABCDE"[:clips])) * (8 if clips == 2 else 1)  # which is left is left to chance
    questions = asked(home, kind, orders)
    ask(home, questions)
    wanted = dict(zip((question.id for question in questions), orders, strict=False))
    with serving(home) as served:
        page = sign_in(open_page, served, "anna", "annotator")
        page.goto(f"{served.url}/review?run=all")
        for _ in orders:
            plays(page)
            rank(page, wanted[shown(page)])
        with Store(home / "feedback.db") as store:
            answers(store, page, len(orders))
    with Store(home / "feedback.db") as store, Store(tmp_path / "other.db") as other:
        export(store, tmp_path / "out", format)
        assert import_all(other, tmp_path / "out").problems == []
        check(store, kind, wanted)
        check(other, kind, wanted)


def check(store: Store, kind: str, wanted: dict[str, Order]) -> None:
    """Check the answers and what a reward learns from each of them."""
    clips = {question.id: question.segments for question in store.questions()}
    said = store.answers()
    assert {answer.question_id: answer.value for answer in said} == {
        name: meant(kind, order) for name, order in wanted.items()
    }
    assert len({answer.shown for answer in said}) > 1, "clips stood in different places"
    for answer in said:
        target = KINDS[kind].target(answer.value, clips[answer.question_id])
        assert target is not None
        np.testing.assert_array_equal(target.values, places(kind, wanted[answer.question_id]))
