"""A reward model that learns online without delaying the annotators."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import CheckpointMismatchError, CorruptFileError
from robo_rlhf.core.runs import Run
from robo_rlhf.feedback.records import Answer
from robo_rlhf.feedback.store import Store
from robo_rlhf.pipeline import online_reward as following
from robo_rlhf.pipeline.online_reward import FollowConfig, Follower, follow
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.rewards.axes import AxesReward
from robo_rlhf.rewards.checkpoint import load_reward
from robo_rlhf.rewards.latest import NewestReward
from robo_rlhf.training import reward
from tests.training.test_reward import ANSWERS, EPISODES, QUESTIONS, along, load

CONFIG = FollowConfig(
    learn=reward.Config(
        settings={"width": 16}, fit=FitSettings(updates=60, batch=16, updates_blind=20, learning_rate=1e-3)
    ),
    updates=10,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "feedback.db") as store:
        store.add_questions(QUESTIONS)
        yield store


def give(store: Store, answers: list[Answer]) -> None:
    for answer in answers:
        store.answer(answer.question_id, answer.annotator, answer.value, key=answer.question_id)


def given(count: int) -> int:
    """Return how many questions the first `count` answers are about: a question may come twice."""
    return len({answer.question_id for answer in ANSWERS[:count]})


def follower(store: Store, folder: Path, **more: object) -> Follower:
    return Follower(CONFIG, Run(folder, {}), store, load, asked="run", task="toy", **more)  # type: ignore[arg-type]


def test_an_update_for_every_new_answer_and_none_without(store: Store, tmp_path: Path) -> None:
    follows = follower(store, tmp_path / "run")
    assert follows.step() is None
    seen = []
    for size in (1, 44, 55):
        give(store, ANSWERS[:size])
        update = follows.step()
        assert update is not None
        seen.append((update.number, update.answers, update.anew))
        assert follows.step() is None
        assert load_reward(follows.path, task="toy").members == 3
    assert seen == [(1, 1, True), (2, given(44), True), (3, given(55), False)]
    rows = follows.run.metrics()
    assert [row["answers"] for row in rows] == [1, given(44), given(55)]
    assert "held_out/accuracy" not in rows[0], "one answer cannot be held out"
    assert 0 <= rows[2]["held_out/accuracy"] <= 1
    (event,) = [e for e in follows.run.events() if e["event"] == "updated" and e["answers"] == given(55)]
    assert event["flips"].keys() == {"anna"}


def test_a_warm_start_is_no_worse_on_what_it_holds_out(store: Store, tmp_path: Path) -> None:
    follows = follower(store, tmp_path / "run")
    give(store, ANSWERS[:40])
    first = follows.step()
    store.answer(QUESTIONS[40].id, "anna", {"choice": "cant_tell"}, key="skip")  # new, but says nothing
    second = follows.step()
    assert first is not None
    assert second is not None
    before, after = first.report.held_out.log_loss, second.report.held_out.log_loss
    assert before is not None
    assert after is not None
    assert after <= before + 0.02


def test_answers_that_say_nothing_are_waited_out(store: Store, tmp_path: Path) -> None:
    follows = follower(store, tmp_path / "run")
    store.answer(QUESTIONS[0].id, "anna", {"choice": "cant_tell"}, key="1")
    assert follows.step() is None
    (event,) = follows.run.events()
    assert "at least one that compares clips" in event["why"]
    give(store, ANSWERS[1:3])
    update = follows.step()
    assert update is not None
    assert update.answers == 2


def test_an_answer_that_is_taken_back_is_forgotten(store: Store, tmp_path: Path) -> None:
    follows = follower(store, tmp_path / "run")
    give(store, ANSWERS[:10])
    assert (follows.step() or follows).__class__ is following.Update
    store.answer(ANSWERS[0].question_id, "anna", None, key="back")
    update = follows.step()
    assert update is not None
    assert update.answers == 9


def test_answers_along_new_axes_begin_heads_that_further_answers_continue(store: Store, tmp_path: Path) -> None:
    follows = follower(store, tmp_path / "run")
    give(store, ANSWERS[:40])
    assert follows.step() is not None
    asked, said = along(QUESTIONS)
    store.add_questions(asked)
    seen = []
    for size in (30, 40):
        give(store, said[:size])
        update = follows.step()
        assert update is not None
        seen.append((update.answers, update.anew))
    assert seen == [(given(40) + given(30), True), (2 * given(40), False)]
    model = load_reward(follows.path, task="toy")
    assert isinstance(model, AxesReward)
    assert model.axes == ("far", "near", "overall")
    again = follower(store, tmp_path / "run")
    assert isinstance(again.model, AxesReward)


def test_it_goes_on_where_it_was_killed(store: Store, tmp_path: Path) -> None:
    give(store, ANSWERS[:40])
    first = follower(store, tmp_path / "run")
    assert first.step() is not None
    assert first.step() is None
    give(store, ANSWERS[:45])
    second = follower(store, tmp_path / "run")
    update = second.step()
    assert update is not None
    assert (update.number, update.anew) == (2, False)
    assert [row["step"] for row in second.run.metrics()] == [1, 2]


def test_killed_while_writing_leaves_the_checkpoint_before_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follows = follower(store, tmp_path / "run")
    give(store, ANSWERS[:30])
    follows.step()
    before = follows.path.read_bytes()

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    give(store, ANSWERS[:31])
    monkeypatch.setattr("os.replace", die)
    with pytest.raises(KeyboardInterrupt):
        follows.step()
    monkeypatch.undo()
    assert follows.path.read_bytes() == before
    assert follower(store, tmp_path / "run").step() is not None


def test_a_model_of_other_settings_or_a_torn_one_is_refused(store: Store, tmp_path: Path) -> None:
    give(store, ANSWERS[:30])
    follower(store, tmp_path / "run").step()
    path = Run(tmp_path / "run", {}).checkpoint_path("reward")
    wide = replace(CONFIG, learn=replace(CONFIG.learn, settings={"width": 24}))
    with pytest.raises(CheckpointMismatchError, match=r"expected a reward model ensemble with .*'width': 24"):
        Follower(wide, Run(tmp_path / "other", {}), store, load, start=path)
    with pytest.raises(CheckpointMismatchError, match="expected a reward model for lift"):
        Follower(CONFIG, Run(tmp_path / "other", {}), store, load, task="lift", start=path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(CorruptFileError):
        follower(store, tmp_path / "run")


def test_while_nobody_answers_it_fits_anew_and_keeps_the_better(store: Store, tmp_path: Path) -> None:
    follows = follower(store, tmp_path / "run")
    give(store, ANSWERS[:30])
    follows.step()
    assert follows.renew() is None, "it has just been fitted from scratch"
    give(store, ANSWERS)
    warm = follows.step()
    assert warm is not None
    anew = follows.renew()
    if anew is not None:
        assert anew.anew
        assert (anew.report.held_out.log_loss or 0) < (warm.report.held_out.log_loss or 0)
    assert follows.renew() is None


def test_fitting_anew_gives_way_to_a_new_answer(store: Store, tmp_path: Path) -> None:
    follows = follower(store, tmp_path / "run")
    for size in (44, 50):
        give(store, ANSWERS[:size])
        follows.step()
    give(store, ANSWERS[:51])
    assert follows.renew() is None
    update = follows.step()
    assert update is not None
    assert update.answers == given(51)


def test_people_answer_while_it_learns_and_never_wait(store: Store, tmp_path: Path) -> None:
    """Another process labels through a separate connection; no answer takes long, and the last one is learned."""
    waits: list[float] = []

    def label() -> None:
        with Store(tmp_path / "feedback.db") as mine:
            for answer in ANSWERS:
                began = time.monotonic()
                give(mine, [answer])
                waits.append(time.monotonic() - began)
                time.sleep(0.002)

    person = threading.Thread(target=label)
    follows = follower(store, tmp_path / "run")
    counts: list[int] = []
    person.start()
    deadline = time.monotonic() + 60
    models = follow(
        follows,
        report=lambda update: counts.append(update.answers),
        stop=lambda: counts[-1:] == [given(60)] or time.monotonic() > deadline,
        sleep=lambda _: time.sleep(0.01),
    )
    person.join()
    assert counts[-1] == given(60)
    assert models == len(counts)
    assert counts == sorted(counts)
    assert np.median(waits) < 0.5


def test_a_learner_climbs_the_newest_model(store: Store, tmp_path: Path) -> None:
    follows = follower(store, tmp_path / "run")
    give(store, ANSWERS[:20])
    follows.step()
    newest = NewestReward(follows.path, 0.5, task="toy", obs_dim=6, act_dim=2)
    obs = EPISODES[0].obs[:, None]
    steps = (obs[:-1], EPISODES[0].action[:, None], obs[1:])
    first = newest(*steps)
    assert newest.refresh() == (False, "")
    give(store, ANSWERS)
    follows.step()
    assert newest.refresh() == (True, "a new reward")
    assert not np.array_equal(first, newest(*steps))
