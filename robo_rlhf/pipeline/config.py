"""Configuration of the RLHF pipeline."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from robo_rlhf.core.checks import CheckedSettings, Count, NotNegative, Seed, WholeNumber, at_least, below
from robo_rlhf.core.errors import InvalidValueError, UnknownNameError
from robo_rlhf.core.legacy_names import PRESETS
from robo_rlhf.core.registry import Choices
from robo_rlhf.feedback.axes import check_axes
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.rewards.reward_sum import RewardSum
from robo_rlhf.sim.envs.conditions import Conditions
from robo_rlhf.sim.external.ids import is_outside
from robo_rlhf.sim.task_tools.style_measures import MEASURES
from robo_rlhf.training_tools.settings import BCSettings, PPOSettings, RewardSettings, SACSettings

BY_AXES = "axes"  # the kind of question that compares along named axes
OF_ACTIONS = "actions"  # the kind of question about what the policy might do next
DONE = "task success"
JUDGED = {DONE: "", "smoothness": "peak_jerk", "care with the object": "peak_contact_force"} | {m: m for m in MEASURES}
"""The axes that the simulated teacher judges: by the task's own reward, or by a style measure."""


@dataclass(frozen=True)
class TeacherConfig:
    """The simulated teacher: its style cost, and its errors (Lee et al. 2021, "B-Pref")."""

    style_weight: float = 1.0
    """Weight of each style measure in the teacher's style cost, relative to a task reward of at most 1 per step."""
    style_costs: str = ""
    """Style measures that cost reward, separated by commas: tilt,clearance. The task's default where empty."""
    success_bonus: float = 1.0
    """Bonus per step after success."""
    rationality: float = 10.0
    """Rationality: inverse temperature of the softmax over clip scores, which are scaled to deviation one."""
    myopia: float = 1.0
    """Discount of each earlier step of a clip, 0 to 1; 1 weights all steps equally."""
    equal_threshold: float = 0.05
    """Largest difference of scores that counts as a tie."""
    skip_threshold: float = -3.0
    """Where no clip scores more than this, the teacher answers "cannot tell"."""
    mistake: float = 0.05
    """Probability of an erroneous answer."""
    reasons: float = 0.0
    """Share of answers between two clips with a reason of the task's list whose axis is a style measure."""
    wrong_reasons: float = 0.05
    """Probability of another reason than the one meant."""

    def __post_init__(self) -> None:
        """Refuse unknown style measures.

        Raises:
            UnknownNameError: one of them; the message suggests the nearest.
        """
        for name in self.measures(None):
            if name not in MEASURES:
                raise UnknownNameError("style measure", name, MEASURES)

    def measures(self, own: str | None) -> tuple[str, ...]:
        """Return the style measures in the cost, for a task whose default is `own`; none where they have no weight."""
        named = tuple(dict.fromkeys(filter(None, (name.strip() for name in self.style_costs.split(",")))))
        return (named or ((own,) if own else ())) if self.style_weight else ()


def _clone() -> BCSettings:
    return _flow_clone(4000)


def _flow_clone(updates: int) -> BCSettings:
    return BCSettings(policy="flow", settings={"noise": 0.0}, updates=updates, obs_noise=0.05)


def _symlog_clone() -> BCSettings:
    settings: dict[str, int | float | bool | str] = {"noise": 0.0, "symlog": 0.02}
    return replace(_flow_clone(4000), settings=settings, obs_noise_least=0.02)


def _reward() -> RewardSettings:
    return RewardSettings(settings={"members": 5}, fit=FitSettings(learning_rate=1e-3))


def _finetune() -> PPOSettings:
    return PPOSettings(iterations=100, actor_lr=2e-4, target_kl=0.06, anchor=0.02, std=0.1)


def _sac() -> SACSettings:
    return SACSettings(
        iterations=32,
        updates=0.2,
        batch=128,
        critic_width=128,
        refresh=100,
        actor_lr=1e-3,
        critic_lr=1e-3,
        temperature_lr=1e-3,
        save_every=20,
    )


def _sample_efficient_sac() -> SACSettings:
    soon: dict[str, Any] = {"n_step": 8, "tau": 0.01, "gamma": 0.98}  # values propagate within few updates
    return replace(_sac(), iterations=90, updates=0.5, temperature=0.005, **soon)  # little noise


def _quick_reward() -> RewardSettings:
    fit = FitSettings(learning_rate=1e-3, updates=600, batch=32)
    return RewardSettings(settings={"members": 3, "width": 64}, fit=fit)


WITHOUT_DEMONSTRATIONS: dict[str, Any] = {  # sizes without demonstrations: steps are cheap, and labels come early
    "num_envs": 5,
    "collect": 10,
    "reward": _quick_reward(),
}


SAMPLE_EFFICIENT: dict[str, Any] = {  # where steps are expensive
    "learner": "sac",
    "num_envs": 10,
    "collect": 40,
    "trim": 1000,
    "residual_scale": 1.0,
    "sac": _sample_efficient_sac(),
}


@dataclass(frozen=True)
class PipelineConfig(CheckedSettings):
    """Settings of the pipeline: from demonstrations and answers about clips to a policy that annotators prefer."""

    task: str = "pick_place"
    """A native task, or the Gymnasium id of an outside environment."""
    demos: WholeNumber = 25
    """Demonstrations to imitate; with 0 a policy is trained from scratch, by SAC with the settings `sac`."""
    labels: Count = 200
    """Questions about clips, over all rounds."""
    rounds: Count = 3
    """Rounds of asking, learning the reward and fine-tuning."""
    meanwhile: bool = False
    """Whether nobody waits: from the second round on, the policy practises while people answer the questions about it,
    its reward follows the answers between iterations, and the next round begins once they are answered."""
    answers_an_iteration: NotNegative = 0.0
    """Answers of the simulated teacher in an iteration of fine-tuning, where it answers `meanwhile`; 0: all that are
    asked. A person who takes 6 s an answer gives 0.5 in an iteration of 3 s."""
    seed: Seed = 0
    """Seed of all randomness."""
    annotator: Literal["simulated", "human"] = "simulated"
    """Source of the answers: the simulated teacher, or human annotators."""
    dataset: str = ""
    """Dataset of demonstrations in the data home; samples/TASK where empty."""
    episodes: Count = 200
    """Evaluation episodes before and after."""
    collect: Annotated[int, at_least(2)] = 64
    """Episodes of the current policy, per round, that clips are cut from."""
    clip_steps: Count = 40
    """Steps per clip."""
    question: Annotated[str, Choices(KINDS)] = "pairwise"
    """Kind of question: one of the registry, such as pairwise, which of two clips is better, or ranking, the order of
    four; or one of your own, as module:Thing."""
    axes: tuple[str, ...] = ()
    """Named axes that clips are compared along where `question` is axes. A reward head learns from each;
    `finetune.objective` weighs them, and is their mean where it is learned alone."""
    approvals: Annotated[float, below(1)] = 0.0
    """Share of the questions that ask whether an episode succeeded, which train a success head beside the reward; more
    of them in earlier rounds."""
    success_weight: NotNegative = 1.0
    """Weight of the success head in the reward, for each of the last steps of an episode in which it is done."""
    actions: Annotated[float, below(1)] = 0.0
    """Share of the questions that show what the policy might do next from a frame, three what-if rollouts of which one
    is chosen. They train the reward, and the policy by a loss of its own with the weight `finetune.choice_weight`, 1
    where that is 0."""
    trim: WholeNumber = 10
    """Steps of a demonstration that are kept after its final success."""
    implicit: bool = True
    """Whether rewinds and takeovers in recordings of the task count as preferences: those of people where people
    answer, those of programs where a simulated teacher does."""
    selection: str = "mixed"
    """Which clips are asked about: uniform, recent, stage, endings, disagreement, information, demonstrations
    or mixed."""
    uncertainty_penalty: float = 0.5
    """Uncertainty penalty: deviations of the ensemble that are subtracted from the learned reward."""
    residual_scale: float = 0.2
    """Largest correction of an action where the cloned policy is a flow, which stays frozen under a correction."""
    learner: Literal["ppo", "sac"] = "ppo"
    """What fine-tunes the cloned policy: ppo, from many new steps; or sac, with the settings `sac`: a bounded
    correction, learned off-policy from all steps so far, with demonstrations in each batch, for expensive steps."""
    reverse_curriculum: Annotated[float, below(1)] = 0.0
    """Share of the episodes of practice by PPO that begin in the middle of a demonstration: in the last part before it
    succeeds in the first round, and further back in later ones."""
    num_envs: Count = 64
    """Parallel copies of the environment."""
    choose_execution_horizon: bool = False
    """Whether a cloned policy that predicts chunks may execute whole chunks where rollouts then succeed more often."""
    choose_exploration_noise: bool = False
    """Whether to explore with less noise than `finetune.std` where that costs the cloned policy too much success."""
    self_imitation_rounds: WholeNumber = 0
    """Rounds of self-imitation: the cloned policy also imitates its rollouts that the environment marks a success."""
    self_imitation_episodes: Count = 256
    """Episodes per round of self-imitation."""
    alarm_questions: Annotated[int | None, at_least(0)] = None
    """Questions a round, in addition to `labels`, that are held out to compare the newest policy with the one before,
    from the same starts: where people prefer the older one, in one round or over several, it is continued with. As many
    are asked about the last policy, and half as many ratings of it. Where empty: in runs that people answer 15, or as
    many as a round has if those are fewer; else none."""
    self_imitation_updates: WholeNumber = 0
    """Gradient steps per round of self-imitation; 0: those of `clone`."""
    gate: bool = False
    """Whether a round's policy is kept only if it is not shown to be worse than the one before, on the same seeds."""
    gate_episodes: Count = 100
    """Episodes of each of the two policies at a gate."""
    minutes: NotNegative = 0.0
    """Budget in minutes of the processor, from which the recipe decides settings; 0: they are as they are given."""
    keep: str = ""
    """Settings, separated by commas, that the recipe leaves as they are given; `--set` adds those that it names."""
    clone_ways: WholeNumber = 0
    """Ways of cloning that are tried, of which rollouts choose in the first round; 0: the one of `clone`, untried."""
    clone_by_operator: bool = False
    """Whether weighing demonstrations by their operators' skill is one more way of cloning that is tried."""
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    """The simulated teacher."""
    clone: BCSettings = field(default_factory=_clone)
    """Settings of behaviour cloning."""
    reward: RewardSettings = field(default_factory=_reward)
    """Settings of reward learning."""
    finetune: PPOSettings = field(default_factory=_finetune)
    """Settings of fine-tuning; `iterations` is the total over all rounds."""
    sac: SACSettings = field(default_factory=_sac)
    """Settings of SAC; `iterations` is the total over all rounds."""
    explore: WholeNumber = 0
    """Iterations of unsupervised exploration by `sac` before the first questions, which reward novel states (Lee et al.
    2021, "PEBBLE"); where there are no demonstrations."""
    conditions: Conditions = field(default_factory=Conditions)
    """Conditions of the real world that all episodes of the run are under."""
    sac_policy: dict[str, Any] = field(default_factory=lambda: {"width": 128})
    """Settings of the policy that is trained from scratch."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            InvalidValueError: one is outside its range.
            UnknownNameError: no such kind of question.
        """
        super().__post_init__()
        if self.annotator == "simulated" and KINDS[self.question].layout == "show":
            expected = "a kind that a simulated annotator can answer, or --annotator human"
            raise InvalidValueError("kind of question", self.question, expected)
        self._check_axes()
        if self.explore and self.demos:
            raise InvalidValueError("explore", self.explore, "0 where there are demonstrations (--demos)")
        if self.clone.policy == "visual":
            self._check_seeing()
        if self.finetune.learn_encoder and self.rl is not self.finetune:
            expected = "false with SAC, which keeps features of all steps and no pictures"
            raise InvalidValueError("finetune.learn_encoder", "true", expected)
        if self.question == OF_ACTIONS:
            expected = "another kind; --set actions=SHARE asks about actions, whose clips begin at one state"
            raise InvalidValueError("kind of question", self.question, expected)
        if self.actions:
            self._check_actions()
        self._check_reward_seeing()
        if self.reverse_curriculum and (is_outside(self.task) or self.rl is not self.finetune):
            expected = "0 unless PPO fine-tunes a policy cloned from demonstrations of a native task, which has states"
            raise InvalidValueError("reverse_curriculum", self.reverse_curriculum, expected)
        if self.labels < self.rounds:
            raise InvalidValueError("--labels", self.labels, f"at least one a round, {self.rounds}")
        if self.rl.iterations < self.rounds:
            name = "finetune" if self.rl is self.finetune else "sac"
            raise InvalidValueError(f"{name} iterations", self.rl.iterations, f"at least {self.rounds}")

    def _check_axes(self) -> None:
        """Refuse axes that cannot be asked about, or that the objective names and nobody is asked about.

        Raises:
            InvalidValueError: they are asked for.
        """
        asked = check_axes(self.axes) if self.axes else ()
        if asked and self.question != BY_AXES:
            raise InvalidValueError(
                "axes", f"{', '.join(asked)} with question {self.question}", f"the question {BY_AXES}"
            )
        unknown = [axis for axis in asked if axis not in JUDGED] if self.annotator == "simulated" else []
        if unknown:
            expected = f"axes that the simulated teacher can judge, {', '.join(JUDGED)}; or --annotator human"
            raise InvalidValueError("axes", ", ".join(unknown), expected)
        missing = [axis for axis in RewardSum(self.rl.objective).axes if axis not in asked]
        if missing:
            expected = f"one of {', '.join(asked)}" if asked else "learned without an axis, or --axes with its name"
            raise InvalidValueError("axis in the objective of a run", repr(missing[0]), expected)

    def _check_actions(self) -> None:
        """Refuse questions about actions where no frame can be entered, or no policy can learn from them.

        Raises:
            InvalidValueError: they are asked for.
        """
        if is_outside(self.task):
            expected = "0 in an outside environment, whose frames cannot be entered by a state alone"
            raise InvalidValueError("actions", self.actions, expected)
        if self.rl is not self.finetune or self.clone.policy == "visual":
            expected = "0 unless PPO fine-tunes a policy that was cloned from columns (--demos, learner=ppo)"
            raise InvalidValueError("actions", self.actions, expected)
        candidates = KINDS[OF_ACTIONS].num_clips.start
        if self.num_envs < candidates:
            raise InvalidValueError("num_envs", self.num_envs, f"at least {candidates} with questions about actions")
        if self.approvals + self.actions >= 1:
            given = f"{self.approvals:g} and {self.actions:g}"
            raise InvalidValueError("approvals and actions", given, "less than 1 together: pairs are asked as well")

    def _check_seeing(self) -> None:
        """Refuse what is not done with a policy that has cameras or hidden columns.

        Raises:
            InvalidValueError: it is asked for.
        """
        for name, given, usual in (
            ("self_imitation_rounds", self.self_imitation_rounds, 0),
            ("choose_execution_horizon", self.choose_execution_horizon, False),
            ("demos", self.demos > 0, True),
        ):
            if given != usual:
                raise InvalidValueError(f"{name} with --cameras or hidden columns", given, f"{usual}")

    def _check_reward_seeing(self) -> None:
        """Refuse a reward with cameras where its pictures are not kept, or whose encoders are of no policy.

        Raises:
            InvalidValueError: SAC learns from it, or the cloned policy has other encoders.
        """
        asked = self.reward.settings if self.reward.reward == "visual" else {}
        if not asked.get("cameras"):
            return
        if self.rl is not self.finetune:
            expected = "ppo, or reward.reward=ensemble: steps that SAC keeps and judges again have no pictures"
            raise InvalidValueError("learner with a reward that has cameras", self.learner, expected)
        cloned = self.clone.settings if self.clone.policy == "visual" else {}
        same = all(cloned.get(name) == asked.get(name) for name in ("cameras", "size", "encoder", "shared"))
        if asked.get("frozen") and not same:
            given, expected = "other cameras or encoders", "those of `clone`, or frozen false"
            raise InvalidValueError("reward.settings with frozen encoders", given, expected)

    @property
    def rl(self) -> PPOSettings | SACSettings:
        """Settings of the algorithm that maximises the reward."""
        return self.finetune if self.demos and self.learner == "ppo" else self.sac

    @property
    def demonstrations(self) -> str:
        """Name of the dataset of demonstrations."""
        return self.dataset or f"samples/{self.task}"

    @property
    def clips_a_question(self) -> int:
        """Number of clips per question."""
        return KINDS[self.question].clips_a_question

    def labels_of(self, number: int) -> int:
        """Return the number of questions of round `number`, from 1: equal shares."""
        return share(self.labels, [1.0] * self.rounds)[number - 1]

    def approvals_of(self, number: int) -> int:
        """Return how many of the questions of round `number` ask whether an episode succeeded: most in the first."""
        asked = share(round(self.approvals * self.labels), [n**-0.5 for n in range(1, self.rounds + 1)])[number - 1]
        return min(asked, self.labels_of(number) - 1)

    def actions_of(self, number: int) -> int:
        """Return how many of the questions of round `number` are about what the policy might do next."""
        asked = share(round(self.actions * self.labels), [1.0] * self.rounds)[number - 1]
        return min(asked, self.labels_of(number) - self.approvals_of(number) - 1)

    def curriculum_back(self, number: int) -> float:
        """Return how far back round `number` begins in demonstrations, as a share of the way to their success."""
        return number / self.rounds

    def answered_in(self, number: int) -> int:
        """Return the newest round whose questions are answered when round `number` begins to fine-tune.

        The one after the last fine-tunes nothing: what it asks about the last policy is waited for.
        """
        return number - 1 if self.meanwhile and 1 < number <= self.rounds else number

    def iterations_of(self, number: int) -> int:
        """Return the iterations of round `number`, from 1: later rounds, whose reward is better, take more."""
        return share(self.rl.iterations, [float(n) for n in range(1, self.rounds + 1)])[number - 1]


def share(total: int, weights: list[float]) -> list[int]:
    """Split `total` into whole parts in proportion to `weights`, each at least one where that is possible."""
    ends = [round(total * sum(weights[: i + 1]) / sum(weights)) for i in range(len(weights))]
    return [end - start for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def preset(name: str, **asked: Any) -> PipelineConfig:
    """Return a preset configuration: "default", "quick" (a minute or two) or "tiny" (seconds, a smoke test).

    "sample_efficient" is for environments with expensive steps: a correction as large as an action, learned by SAC from
    all steps ever taken, on top of a policy cloned from demonstrations that continue after their success.

    "self_imitation" is for tasks with tight tolerances: the cloned policy has symmetric-log features and also imitates
    its successful rollouts, rollouts choose its execution horizon and its exploration noise, and success is part of
    the reward. The environment decides what a success is, no annotator. "no_demonstrations" is for `demos` 0, the
    baseline of the default: after PEBBLE (Lee et al. 2021), with as many environment steps.

    Raises:
        InvalidValueError: no such preset.
    """
    sizes = _sizes()
    if name in PRESETS:
        raise InvalidValueError("--preset", repr(name), f"{PRESETS[name]}, as it is called now")
    if name not in sizes:
        raise InvalidValueError("--preset", repr(name), f"one of {', '.join(sizes)}")
    fewer = WITHOUT_DEMONSTRATIONS if asked.get("demos") == 0 else {}
    return PipelineConfig(**{**fewer, **sizes[name], **asked})


def presets() -> tuple[str, ...]:
    """Return the valid names of presets."""
    return tuple(_sizes())


def _sizes() -> dict[str, dict[str, Any]]:
    return {
        "default": {},
        "self_imitation": {
            "clone": _symlog_clone(),
            "self_imitation_rounds": 4,
            "choose_execution_horizon": True,
            "choose_exploration_noise": True,
            "finetune": replace(_finetune(), objective="learned + success"),
        },
        "sample_efficient": SAMPLE_EFFICIENT,
        "no_demonstrations": {
            "num_envs": 16,
            "collect": 19,
            "explore": 20,
            "selection": "disagreement",
            "reward": _reward(),
            "sac": replace(_sac(), iterations=380),
        },
        "quick": {
            "episodes": 64,
            "collect": 32,
            "clone": _flow_clone(1500),
            "reward": RewardSettings(fit=FitSettings(updates=400)),
            "finetune": PPOSettings(iterations=12, actor_lr=2e-4, target_kl=0.06, anchor=0.02, std=0.1),
        },
        "tiny": {
            "episodes": 8,
            "collect": 8,
            "num_envs": 8,
            "clip_steps": 20,
            "clone": BCSettings(policy="gaussian", settings={"width": 32}, updates=60, save_every=20),
            "reward": RewardSettings(settings={"width": 16}, fit=FitSettings(updates=40), save_every=20),
            "finetune": PPOSettings(num_envs=8, iterations=4, epochs=1, warmup_epochs=1, std=0.1, save_every=1),
            "sac": SACSettings(iterations=4, updates=0.1, batch=16, critic_width=16, refresh=2, save_every=1),
            "sac_policy": {"width": 16},
        },
    }
