"""Style costs of the simulated teacher."""

from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.cli.overrides import override
from robo_rlhf.core.errors import InvalidValueError, UnknownNameError
from robo_rlhf.core.types import Segment
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.store import Question, Store, question_id
from robo_rlhf.pipeline.config import TeacherConfig, preset
from robo_rlhf.pipeline.steps.simulated_labels import SimulatedLabeler
from robo_rlhf.sim.task_tools.style_measures import cost
from tests.toy import demonstrations


@pytest.mark.parametrize(
    ("settings", "own", "minded"),
    [
        ({}, "tilt", ("tilt",)),
        ({}, None, ()),
        ({"style_costs": "tilt, clearance,tilt"}, "path_length", ("tilt", "clearance")),
        ({"style_costs": "tilt", "style_weight": 0.0}, "tilt", ()),
    ],
)
def test_what_is_named_takes_the_place_of_the_tasks_own(
    settings: dict[str, object], own: str | None, minded: tuple[str, ...]
) -> None:
    assert TeacherConfig(**settings).measures(own) == minded  # type: ignore[arg-type]


def test_a_measure_that_there_is_not_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="Unknown style measure 'tild'"):
        TeacherConfig(style_costs="clearance,tild")


def test_each_axis_is_judged_by_what_it_names(tmp_path: Path) -> None:
    """By a faultless teacher: by the task's own reward, and by how jerky the hand moves."""
    episodes = demonstrations(6)
    dataset = Dataset(tmp_path / "reach", create=True, task=episodes[0].meta.task)
    dataset.add_many(episodes)
    axes = {"axes": ["task success", "smoothness"]}
    questions = []
    for one, other in zip(episodes[::2], episodes[1::2], strict=True):
        clips = tuple(Segment(e.meta.id, 0, min(len(one), len(other))) for e in (one, other))
        key = question_id("run", 1, "axes", clips)
        questions.append(Question(key, "run", 1, "axes", "reach", clips, "reach", meta=axes))
    faultless = TeacherConfig(rationality=float("inf"), mistake=0.0, equal_threshold=0.0, skip_threshold=-9.0)
    with Store(tmp_path / "feedback.db") as store:
        store.add_questions(questions)
        SimulatedLabeler(dataset.load, questions, faultless, None).answer(store, questions, 0)
        found = {answer.question_id: answer.value["axes"] for answer in store.answers()}
    for question, one, other in zip(questions, episodes[::2], episodes[1::2], strict=True):
        steps = question.segments[0].length
        worth = [float(np.mean((e.reward + e.success[1:])[:steps])) for e in (one, other)]
        jerky = [float(np.mean(cost(e.signals, e.meta.control_dt, "peak_jerk")[:steps])) for e in (one, other)]
        assert found[question.id] == {
            "task success": "tie" if worth[0] == worth[1] else "AB"[int(np.argmax(worth))],
            "smoothness": "tie" if jerky[0] == jerky[1] else "AB"[int(np.argmin(jerky))],
        }


def test_axes_that_cannot_be_asked_about_are_refused() -> None:
    axes = ("task success", "smoothness")
    with pytest.raises(InvalidValueError, match="the question axes"):
        preset("tiny", axes=axes)
    with pytest.raises(InvalidValueError, match=r"simulated teacher can judge.*--annotator human"):
        preset("tiny", question="axes", axes=("beauty",))
    assert preset("tiny", question="axes", axes=("beauty",), annotator="human").axes == ("beauty",)
    objective = {"finetune.objective": "learned(axis='speed')"}
    with pytest.raises(InvalidValueError, match="one of task success, smoothness"):
        override(preset("tiny", question="axes", axes=axes), [f"{k}={v}" for k, v in objective.items()])
