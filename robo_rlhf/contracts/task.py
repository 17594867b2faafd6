"""The contract of tasks."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from robo_rlhf.contracts.clauses import Contract, require, require_array, require_same
from robo_rlhf.core.types import Array, Step
from robo_rlhf.sim.envs.conditioned_env import FORCE, ConditionedEnv
from robo_rlhf.sim.envs.conditions import Conditions
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.operators.scripted import PERFECT, ScriptedOperator
from robo_rlhf.sim.physics.model_identity import compiled_hash
from robo_rlhf.sim.task import Task
from robo_rlhf.sim.task_tools.style_measures import MEASURES, summarize
from robo_rlhf.sim.tasks import TASKS

NUM = 32  # copies of the trial's episode


@dataclass(frozen=True)
class Run:
    """An episode of `NUM` copies: with the faultless scripted operator where there is one, else with any actions."""

    states: Array  # (T+1, N, nstate)
    obs: Array  # (T+1, N, obs_dim)
    success: Array  # (T, N)
    active: Array  # (T, N)
    terms: dict[str, Array]  # (T, N)
    reward: Array  # (T, N)
    signals: dict[str, Array]  # (T, N, k)
    control_dt: float  # [s]


class TaskTrial:
    """A task on trial, and one episode of it, made when it is first needed."""

    def __init__(self, kind: type[Task]) -> None:
        """Nothing is made yet."""
        self.kind = kind

    def env(self, copies: int) -> TaskEnv:
        """Return a fresh environment."""
        return TaskEnv(self.kind(), copies)

    @cached_property
    def run(self) -> Run:
        """The episode from the seeds 0 to `NUM` - 1."""
        env = self.env(NUM)
        choose: Callable[[Array], Array]
        if self.kind.is_scripted():
            choose = ScriptedOperator(env, PERFECT).act
        else:
            noise = np.random.default_rng(0).normal(0, 0.5, (env.horizon, NUM, env.act_dim))
            steps_of = iter(np.clip(noise, -1, 1).astype(np.float32))
            choose = lambda obs: next(steps_of)  # noqa: E731
        obs, states, steps, terms = [env.reset(np.arange(NUM))], [env.get_state()], [], []
        for _ in range(env.horizon):
            steps.append(copied(env.step(choose(obs[-1]))))
            obs.append(steps[-1].obs)
            states.append(env.get_state())
            terms.append({name: np.array(value) for name, value in env.reward_terms().items()})
        return Run(
            states=np.stack(states),
            obs=np.stack(obs),
            success=np.stack([s.success for s in steps]),
            active=np.stack([s.active for s in steps]),
            terms={key: np.stack([t[key] for t in terms]) for key in terms[0]},
            reward=np.stack([s.reward for s in steps]),
            signals={key: np.stack([s.signals[key] for s in steps]) for key in steps[0].signals},
            control_dt=env.control_dt,
        )

    def act(self, env: TaskEnv, noise: Array) -> Array:
        """Return actions with `noise`, out of the current state alone."""
        meant = env.task.demonstrate(env.sim) if self.kind.is_scripted() else 0.0
        action: Array = np.clip(meant + noise, -1, 1).astype(np.float32)
        return action

    def future(self, env: TaskEnv, noises: Array) -> list[Array]:
        """Return all that `len(noises)` further steps give, with noises (T, N, act_dim)."""
        found = []
        for noise in noises:
            step = copied(env.step(self.act(env, noise)))
            found += [step.obs, step.reward, step.success, step.applied, *step.signals.values(), env.get_state()]
        return found


def copied(step: Step) -> Step:
    """Return a step whose arrays do not change any more."""
    return step._replace(
        obs=step.obs.copy(),
        reward=step.reward.copy(),
        success=step.success.copy(),
        applied=step.applied.copy(),
        signals={key: value.copy() for key, value in step.signals.items()},
        active=step.active.copy(),
    )


def describes_itself(trial: TaskTrial) -> None:
    """It has an instruction, a horizon, names for its observations and actions, and goals that can be moved."""
    kind = trial.kind
    for name, wanted in (("instruction", str), ("horizon", int), ("control_hz", int)):
        given = getattr(kind, name, None)
        text = f"{name} is {given!r}, expected a {wanted.__name__} in the class"
        require(isinstance(given, wanted) and given, text, kind)
    sentence = re.fullmatch(r"[A-Z][^.!?]*\.", kind.instruction)
    require(sentence, f"instruction is {kind.instruction!r}, expected one sentence that ends with a full stop", kind)
    for what, names in (("obs_names", getattr(kind, "obs_names", ())), ("action_names", kind.action_names)):
        words = [name for name in names if re.fullmatch(r"[a-z][a-z_0-9]*", str(name))]
        good = names and len(set(words)) == len(names)
        require(good, f"{what} is {names!r}, expected different words of lower-case letters, one a column", kind)
    env = trial.env(2)
    moved = [goal for goal in kind.goals if env.model.body(goal).mocapid[0] < 0]
    require(not moved, f"goals {moved} are no mocap bodies, so nobody can move them", kind.scene)
    steps = env.sim.substeps * env.model.opt.timestep * kind.control_hz
    text = f"a control step of 1/{kind.control_hz} s is no whole number of time steps of {env.model.opt.timestep} s"
    require(round(steps, 9) == 1.0, text, kind.scene)


def gives_arrays_of_its_shapes(trial: TaskTrial) -> None:
    """Observations (N, obs_dim) float32, terms (N,), success (N,) bool and signals (N, k) float32, all finite."""
    env, kind = trial.env(3), trial.kind
    env.reset(np.arange(3))
    for _ in range(3):
        require_array(kind.observe(env.task, env.sim), "observe", (3, env.obs_dim), "float32", kind.observe)
        terms = kind.reward_terms(env.task, env.sim)
        require(isinstance(terms, dict) and terms, "reward_terms gives no named terms", kind.reward_terms)
        for name, term in terms.items():
            require_array(term, f"reward term {name!r}", (3,), "float", kind.reward_terms)
        require_array(kind.success(env.task, env.sim), "success", (3,), "bool", kind.success)
        for name, signal in kind.signals(env.task, env.sim).items():
            shape = (3, *np.shape(signal)[1:])
            require_array(signal, f"signal {name!r}", shape, "float32", kind.signals)
        env.sim.step()


def asking_changes_nothing(trial: TaskTrial) -> None:
    """Observation, reward, success and signals leave the simulation as it is, and keep nothing between calls."""
    env, kind = trial.env(3), trial.kind
    env.reset(np.arange(3))
    functions = [kind.observe, kind.reward_terms, kind.success, kind.signals]
    functions += [kind.demonstrate] if kind.is_scripted() else []
    rng = np.random.default_rng(0)
    for function in functions:
        env.sim.state[:] += 1e-3 * rng.standard_normal(env.sim.state.shape)  # a state that nothing has looked at yet
        env.sim.forward()
        before = env.get_state()
        first, again = (_kept(function(env.task, env.sim)) for _ in range(2))
        changed = f"{function.__name__} writes into the simulation"
        require(before.tobytes() == env.get_state().tobytes(), changed, function)
        require_same(first, again, f"{function.__name__} differs when it is called twice in one state", function)
        kept = sorted(vars(env.task))
        require(not kept, f"{function.__name__} keeps {kept} between calls; a task has no state", function)


def _kept(found: object) -> object:
    return {name: np.array(value) for name, value in found.items()} if isinstance(found, dict) else np.array(found)


def starts_are_drawn_and_unsolved(trial: TaskTrial) -> None:
    """Every seed starts an episode of its own, and hardly any is solved at the start."""
    run, reset = trial.run, trial.kind.reset
    different = len(np.unique(run.obs[0], axis=0))
    require(different == NUM, f"{NUM} seeds give {different} different starts", reset)
    share = float(run.success[0].mean())
    require(share < 0.1, f"{100 * share:.0f} % of episodes are solved after one step", reset)


def rewards_are_in_range(trial: TaskTrial) -> None:
    """Each reward term lies in [0, 1]."""
    for name, term in trial.run.terms.items():
        require(np.isfinite(term).all(), f"reward term {name!r} holds NaN or infinity", trial.kind.reward_terms)
        low, high = float(term.min()), float(term.max())
        text = f"reward term {name!r} goes from {low:.4g} to {high:.4g}, outside [0, 1]"
        require(low >= 0.0 and high <= 1.0, text, trial.kind.reward_terms)


def episodes_have_a_fixed_length(trial: TaskTrial) -> None:
    """No episode ends before the horizon, also where it has succeeded."""
    require(trial.run.active.all(), "an episode ends before the horizon", trial.kind)


def style_is_measured(trial: TaskTrial) -> None:
    """The measure in the simulated teacher's style cost can be computed from the signals."""
    kind, run = trial.kind, trial.run
    known = kind.style_cost in MEASURES
    require(known, f"style_cost is {kind.style_cost!r}, expected one of {', '.join(MEASURES)}", kind)
    signal = MEASURES[kind.style_cost].signal
    require(signal in run.signals, f"signals lack {signal!r}, which style_cost {kind.style_cost!r} needs", kind.signals)
    for name, values in run.signals.items():
        require(np.isfinite(values).all(), f"signal {name!r} holds NaN or infinity", kind.signals)
    each = [
        summarize({key: value[:, i] for key, value in run.signals.items()}, run.control_dt)[kind.style_cost]
        for i in range(NUM)
    ]
    require(
        np.isfinite(each).all() and np.ptp(each) > 0, f"{kind.style_cost} is the same in all episodes", kind.signals
    )


def same_seed_same_episode(trial: TaskTrial) -> None:
    """An episode follows from its seed and its actions alone, in a fresh environment and in a used one."""
    kind, found = trial.kind, []
    noises = np.random.default_rng(0).normal(0, 0.3, (12, 3, len(kind.action_names)))
    seeds = np.array([7, 2, 7])
    for _ in range(2):
        env = trial.env(3)
        found.append([env.reset(seeds), *trial.future(env, noises)])
    require_same(found[0][0], found[1][0], "the same seeds give other starts in a second environment", kind.reset)
    require_same(found[0], found[1], "the same seeds and actions give another episode", kind.reset)
    obs = env.reset(seeds)
    require_same(obs, found[0][0], "a used environment starts otherwise than a fresh one", kind.reset)
    require_same(obs[0], obs[2], "two copies with the same seed start differently", kind.reset)
    alone = env.reset_at(np.array([1]), np.array([7]))
    require_same(alone, obs[:1], "a copy that is reset alone starts otherwise than with others", kind.reset)


def state_holds_everything(trial: TaskTrial) -> None:
    """A frame of an episode, entered in a used and in a fresh environment, has the same future bit for bit."""
    run, kind = trial.run, trial.kind
    noises = np.random.default_rng(1).normal(0, 0.2, (8, 4, len(kind.action_names)))
    for t in range(5, len(run.reward), max(len(run.reward) // 5, 1)):
        used, fresh = trial.env(4), trial.env(4)
        used.reset(np.arange(4) + 50)
        trial.future(used, noises)
        obs = used.set_state(run.states[t, :4])
        text = f"frame {t} of an episode is observed otherwise when it is entered again"
        require_same(obs, run.obs[t, :4], text, kind.observe)
        require_same(fresh.set_state(run.states[t, :4]), obs, text, kind.observe)
        text = f"frame {t} of an episode has another future in a fresh environment: something is kept outside the state"
        require_same(trial.future(used, noises), trial.future(fresh, noises), text, kind)


def conditions_are_restored(trial: TaskTrial) -> None:
    """With every condition of the real world on, a frame is entered with all that was on the way, bit for bit."""
    kind, seeds, rng = trial.kind, np.arange(2), np.random.default_rng(3)
    force = 1.0 if FORCE in trial.run.signals else 0.0
    conditions = Conditions(0.3, 2, 3, 0.01, 0.5, force)
    env, fresh = (ConditionedEnv(trial.env(2), conditions) for _ in range(2))
    shown, states = [env.reset(seeds)], [env.get_state()]
    forces: list[Array | None] = [None]
    sent = rng.uniform(-1, 1, (16, 2, env.act_dim)).astype(np.float32)
    for action in sent:
        step = copied(env.step(action))
        shown, states, forces = [*shown, step.obs], [*states, env.get_state()], [*forces, step.signals.get(FORCE)]
    for k in range(len(shown)):
        text = f"frame {k} of an episode under conditions is shown otherwise when it is entered again"
        require_same(fresh.resume(seeds, np.stack(states[: k + 1]), sent[:k], forces[k]), shown[k], text, kind.observe)
        for t in range(k, min(k + 5, len(sent))):
            found = copied(fresh.step(sent[t])).obs, fresh.get_state()
            text = f"an episode under conditions goes on otherwise from frame {k}"
            require_same(found, (shown[t + 1], states[t + 1]), text, kind.observe)


def one_copy_is_as_one_of_many(trial: TaskTrial) -> None:
    """Copy 5 of 64 does bit for bit what it does alone, at every stage of an episode."""
    run, kind, rng = trial.run, trial.kind, np.random.default_rng(2)
    many, one = trial.env(64), trial.env(1)
    text = "copy 5 of 64 starts otherwise than alone"
    require_same(many.reset(np.arange(64))[5:6], one.reset(np.array([5])), text, kind.reset)
    for t in range(0, len(run.reward), max(len(run.reward) // 6, 1)):
        states = np.concatenate([run.states[t], run.states[-t - 1]])
        text = f"copy 5 of 64 is observed otherwise than alone at step {t}"
        require_same(many.set_state(states)[5:6], one.set_state(states[5:6]), text, kind.observe)
        noises = rng.normal(0, 0.2, (6, 64, many.act_dim))
        alone = trial.future(one, noises[:, 5:6])
        among = [values[5:6] for values in trial.future(many, noises)]
        require_same(among, alone, f"copy 5 of 64 goes on otherwise than alone from step {t}", kind)


def model_never_changes(trial: TaskTrial) -> None:
    """The compiled model is the same in every environment, and after episodes."""
    env, scene = trial.env(2), trial.kind.scene
    before = compiled_hash(env.model)
    env.reset(np.array([3, 4]))
    trial.future(env, np.zeros((5, 2, env.act_dim)))
    env.reset(np.array([5, 6]))
    require(compiled_hash(env.model) == before, "the model changes in an episode; only the state may", trial.kind)
    other = trial.env(1)
    same = compiled_hash(other.model) == before and other.model_hash == env.model_hash
    require(same, "scene gives another model when it is called again", scene)


def has_cameras(trial: TaskTrial) -> None:
    """There are at least two cameras, one of them called front."""
    model = trial.env(1).model
    names = [model.camera(i).name for i in range(model.ncam)]
    text = f"the cameras are {names}, expected at least two, one of them 'front'"
    require(len(names) >= 2 and "front" in names, text, trial.kind.scene)


def scripted_operator_succeeds(trial: TaskTrial) -> None:
    """The scripted operator, where there is one, succeeds, and the reward is higher then."""
    kind = trial.kind
    if not kind.is_scripted():
        return
    run = trial.run
    share = float(run.success[-1].mean())
    require(share >= 0.9, f"the scripted operator succeeds in {100 * share:.0f} % of episodes", kind.demonstrate)
    gain = float(run.reward[run.success].mean() - run.reward[0].mean())
    require(gain > 0.3, f"the reward is higher by {gain:.2g} with success than at the start", kind.reward_terms)
    env = trial.env(NUM)
    env.set_state(run.states[len(run.reward) // 3])
    action = env.task.demonstrate(env.sim)
    require_array(action, "demonstrate", (NUM, env.act_dim), "float32", kind.demonstrate)
    require(np.abs(action).max() <= 1.0, "demonstrate gives actions outside [-1, 1]", kind.demonstrate)


CONTRACT = Contract(
    TASKS,
    TaskTrial,
    (
        describes_itself,
        gives_arrays_of_its_shapes,
        asking_changes_nothing,
        starts_are_drawn_and_unsolved,
        rewards_are_in_range,
        episodes_have_a_fixed_length,
        style_is_measured,
        same_seed_same_episode,
        state_holds_everything,
        conditions_are_restored,
        one_copy_is_as_one_of_many,
        model_never_changes,
        has_cameras,
        scripted_operator_succeeds,
    ),
)
