"""The policy probe: answers requests about a policy. Long work is a generator that can be stopped at any step."""

from collections.abc import Generator, Iterator, Mapping
from hashlib import sha256
from itertools import islice
from pathlib import Path

import numpy as np

from robo_rlhf.core.errors import InvalidValueError, NonFiniteError
from robo_rlhf.core.files import find_dataset, new_dataset
from robo_rlhf.core.types import Array, Episode, Source, Step
from robo_rlhf.data.dataset import MIXED, Dataset
from robo_rlhf.data.recording.stream import Row, frame_row, row_of
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.policies.chunked import ChunkedPolicy
from robo_rlhf.policies.masked import ActingPolicy, MaskedPolicy
from robo_rlhf.policies.visual import VisualPolicy
from robo_rlhf.rewards.attribution import as_clips, attribute, quantities
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.occlusion import drawn, occlude
from robo_rlhf.rewards.watching import shown_to
from robo_rlhf.rollouts.control_loop import control_loop
from robo_rlhf.sim.column_names import column_names
from robo_rlhf.sim.envs.conditions import frame_shown
from robo_rlhf.sim.envs.task_env import versions
from robo_rlhf.sim.rendering.clips import png
from teleop.policy_probe.cache import LoadedObjects
from teleop.policy_probe.messages import (
    ActionQuery,
    ActionResult,
    CompareQuery,
    CompareResult,
    FrameRef,
    Request,
    Result,
    RewardCurve,
    RewardQuery,
    RewardResult,
    RolloutQuery,
    RolloutResult,
)
from teleop.session.branch import RecordedEpisode
from teleop.worlds.conditioned import ConditionedWorld
from teleop.worlds.opening import World
from teleop.worlds.outside import OutsideWorld

SEED = 0  # seed of the policies' sampling: the same request gets the same answer
HOLD = 0.4  # [s] that an action is held to draw where it leads
SAME = 1e-5  # by which actions differ at least that chance chose
TAG = "what-if"  # of every recorded continuation

QuerySteps = Generator[None, None, Result]


class PolicyProbe:
    """Answers requests about a data home."""

    def __init__(self, home: Path) -> None:
        """Know nothing yet of the data home `home`."""
        self.kept = LoadedObjects(home)

    def answer(self, request: Request) -> QuerySteps:
        """Return a generator that pauses after each step of the work, and returns the answer.

        It raises RoboRlhfError: the message describes the request's error.
        """
        match request:
            case ActionQuery():
                return self._predict_actions(request)
            case RolloutQuery():
                return self._roll_out(request)
            case RewardQuery():
                return self._predict_reward(request)
            case CompareQuery():
                return self._compare(request)

    def _predict_actions(self, asked: ActionQuery) -> QuerySteps:
        past, frame = self._frame(asked.at)
        world = self.kept.world(past, asked.samples, "look")
        policy = self.kept.policy(asked.policy, world, "look")
        obs = self._enter(world, past, frame)
        action = _checked(self._begin(policy, past, frame, world, SEED).act(obs), asked.policy)
        seen = seen_by(policy)
        tool = world.tool()[0]
        for _ in islice(control_loop(world, lambda _: action, obs), round(HOLD / world.control_dt)):
            pass
        columns = past.columns["action"]
        yield
        return ActionResult(
            frame=frame,
            state=past.columns["state"][frame],
            names=world.action_names,
            actions=action.astype(np.float32),
            recorded=columns[frame] if frame < len(columns) else None,
            tool=tool,
            reach=world.tool(),
            chance=_differ(action),
            cameras=tuple(seen),
            seen=png(np.concatenate([pictures[0] for pictures in seen.values()], axis=1)) if seen else b"",
            task=world.name,
            scene=past.access.scene,
            warning=past.differences(world).strip() if not isinstance(world, OutsideWorld) else "",
        )

    def _roll_out(self, asked: RolloutQuery) -> QuerySteps:
        past, frame = self._frame(asked.at)
        first = self.kept.world(past, asked.samples, "predict")
        policy = self.kept.policy(asked.policy, first, "predict")
        obs = self._enter(first, past, frame)
        chance = _differ(self._begin(policy, past, frame, first, SEED).act(obs))
        world = first if chance else self.kept.world(past, 1, "predict")
        obs = self._enter(world, past, frame)
        policy = self._begin(policy, past, frame, world, SEED)
        walk = _RolloutTrace(world, obs)
        broken = ""
        try:
            for _ in islice(walk.steps(policy, asked.policy), round(asked.seconds / world.control_dt)):
                yield
        except NonFiniteError as error:
            broken = str(error)
        worth = None
        if asked.reward:
            worth = self._reward_curve_after(self.kept.reward(asked.reward, world), past, frame, walk)
        return RolloutResult(
            frame=frame,
            scene=past.access.scene,
            fps=1.0 / world.control_dt,
            states=walk.column("state"),
            paths=np.stack(walk.tool, axis=1),
            success=np.stack(walk.success, axis=1),
            worth=worth,
            broken=broken,
        )

    def _predict_reward(self, asked: RewardQuery) -> QuerySteps:
        past = self.kept.episode(asked.dataset, asked.episode)
        world = self.kept.world(past, 1, "judge")
        model = self.kept.reward(asked.reward, world)
        yield
        obs = past.columns["obs"]
        if obs.shape[1] != world.obs_dim:
            given = f"observations of {obs.shape[1]} numbers"
            raise InvalidValueError(f"episode {past.meta.id}", given, f"{world.obs_dim}, as task {world.name} has now")
        action = past.columns["action"]
        obs = self._seen(model, past, obs, action, past.columns["state"])
        worth = _reward_curve(model, obs, action)
        clips = as_clips(obs, action, model)
        if len(clips[0]) < 2:
            return RewardResult(worth)
        yield
        among = quantities(*column_names(past.meta, model.obs_dim, model.act_dim), model.sight)
        found = attribute(model, *clips, among, np.random.default_rng(SEED))
        yield
        where = {camera: drawn(one) for camera, one in occlude(model, *clips).items()}
        return RewardResult(worth, found.shares, found.moments.reshape(-1), where)

    def _compare(self, asked: CompareQuery) -> QuerySteps:
        past, frame = self._frame(asked.at)
        world = self.kept.world(past, 1, "compare")
        length = round(asked.seconds / world.control_dt)
        dataset = Dataset(new_dataset(self.kept.home, asked.into), create=True, task=MIXED)
        ids, digests = [], []
        for name in asked.policies:
            policy = self.kept.policy(name, world, "compare")
            digest = self.kept.digest(name)
            about = f"{asked.at.dataset} {asked.at.episode} {frame} {digest} {length} {world.model_hash}"
            made = "what-if-" + sha256(about.encode()).hexdigest()[:20]
            digests.append(digest)
            ids.append(made)
            if _is_there(dataset, made, frame + length):
                continue  # the same request came before
            walk = _RolloutTrace(world, self._enter(world, past, frame))
            policy = self._begin(policy, past, frame, world, SEED)
            for _ in islice(walk.steps(policy, name), length):
                yield
            note = f"What {name} would do from frame {frame} of {asked.at.dataset}/{asked.at.episode}."
            _record(dataset, past, frame, walk, world, made, {"operator": name, "note": f"{note} For {asked.person}."})
        return CompareResult(world.name, asked.into, (ids[0], ids[1]), frame, length, (digests[0], digests[1]))

    def _seen(self, model: RewardModel, past: RecordedEpisode, obs: Array, action: Array, state: Array) -> Array:
        """Return observations (T+1, d) as a model gets them: with the numbers of pictures, where it has cameras."""
        if model.sight is None:
            return obs
        steps = len(action)
        source, success = np.zeros(steps, np.uint8), np.zeros(steps + 1, np.bool_)
        part = Episode(obs, action, state, np.zeros(steps, np.float32), success, source, {}, past.meta)
        return shown_to(model, self.kept.home, find_dataset(self.kept.home, past.dataset))(part).obs

    def _reward_curve_after(
        self, model: RewardModel, past: RecordedEpisode, frame: int, walk: "_RolloutTrace"
    ) -> RewardCurve | None:
        """Return a model's values of the steps of a rollout; a model with history sees the earlier steps."""
        if len(walk.rows) == 1:
            return None
        parts = {name: walk.column(name) for name in ("obs", "action", "state")}
        before = 0 if model.markovian or past.columns["obs"].shape[1] != parts["obs"].shape[1] else frame
        earlier = {name: past.columns[name][frame - before : frame] for name in parts}
        obs, action, state = (np.concatenate([earlier[name], parts[name]]) for name in parts)
        worth = _reward_curve(model, self._seen(model, past, obs, action, state), action)
        return RewardCurve(worth.mean[before:], worth.spread[before:])

    def _frame(self, at: FrameRef) -> tuple[RecordedEpisode, int]:
        past = self.kept.episode(at.dataset, at.episode)
        past.access.require_state()
        if not 0 <= at.frame < len(past):
            raise InvalidValueError(f"frame of episode {at.episode}", at.frame, f"0 to {len(past) - 1}")
        return past, at.frame

    def _enter(self, world: World, past: RecordedEpisode, frame: int) -> Array:
        """Set all copies to a recorded state and return their observations (N, obs_dim)."""
        past.check(world)
        if isinstance(world, ConditionedWorld):
            return world.enter_frame(past.meta.seed, past.row, frame)
        state, obs = (np.repeat(past.columns[name][frame][None], world.num_envs, axis=0) for name in ("state", "obs"))
        return world.enter(np.full(world.num_envs, past.meta.seed), state, obs)

    def _begin(self, policy: ActingPolicy, past: RecordedEpisode, frame: int, world: World, seed: int) -> ActingPolicy:
        """Let a policy begin at a frame of a world; a policy with memory gets the earlier observations."""
        policy.look_at(world)
        num_envs = world.num_envs
        policy.seed(seed)
        policy.reset(num_envs)
        wrapped = policy if isinstance(policy, MaskedPolicy) else None
        trained = policy.policy if isinstance(policy, MaskedPolicy) else policy
        base = getattr(trained, "base", None)
        inner: TrainedPolicy = trained if base is None else base
        if past.columns["obs"].shape[1] != inner.obs_dim:
            return policy
        back = (inner.history - 1) + (wrapped.observation_mask.delay if wrapped is not None else 0)
        for k in range(max(0, frame - back), frame):
            whole = np.repeat(past.columns["obs"][k][None], num_envs, axis=0)
            shown = whole if wrapped is None else wrapped.mask(whole)
            if isinstance(inner, VisualPolicy):
                drawn = past.columns["state"][frame_shown(past.conditions, past.meta.seed, k)]
                inner.remember(shown, np.repeat(drawn[None], num_envs, axis=0))
            elif isinstance(inner, ChunkedPolicy):
                inner.remember(shown)
        return policy


def seen_by(policy: ActingPolicy) -> Mapping[str, Array]:
    """Return the pictures (N, H, W, 3) of each camera that a policy looked at last; none where it has no cameras."""
    trained = policy.policy if isinstance(policy, MaskedPolicy) else policy
    base = getattr(trained, "base", None) or trained
    return base.seen if isinstance(base, VisualPolicy) else {}


class _RolloutTrace:
    """A rollout of a policy: the first copy's start and steps as rows of a journal, hands and success of all copies."""

    def __init__(self, world: World, obs: Array) -> None:
        self.world, self.start = world, obs
        self.rows: list[Row] = [frame_row(obs[0], world.get_state()[0], bool(world.succeeded()[0]))]
        self.tool, self.success = [world.tool()], [world.succeeded()]

    def steps(self, policy: ActingPolicy, name: str) -> Iterator[Step]:
        """Yield the steps of the policy of this name, each when it is noted down.

        Raises:
            NonFiniteError: the policy's action is no number, or the world broke down.
        """
        for step in control_loop(self.world, lambda obs: _checked(policy.act(obs), name), self.start):
            state = self.world.get_state()[0]
            if not (np.isfinite(step.obs).all() and np.isfinite(state).all()):
                raise NonFiniteError("The simulation", f"step {len(self.rows) - 1} of the future", "It ends here.")
            self.rows.append(row_of(step, state, Source.POLICY))
            self.tool.append(self.world.tool())
            self.success.append(step.success.copy())
            yield step

    def column(self, name: str) -> Array:
        """Return a column of the frames (T+1, k); of the steps (T, k) where the start has none such."""
        return np.stack([row[name] for row in self.rows if name in row])


def _record(
    dataset: Dataset,
    past: RecordedEpisode,
    frame: int,
    walk: _RolloutTrace,
    world: World,
    made: str,
    fields: dict[str, str],
) -> None:
    """Record the steps before a frame and those of a rollout as one episode."""
    known = {
        "episode_id": made,
        "device": "policy",
        "tags": (TAG,),
        "model_hash": world.model_hash,
        "control_dt": world.control_dt,
        "versions": {**versions(), **getattr(world, "provenance", {}), "policy": fields["operator"]},
    }
    writer = past.go_on(dataset.path, frame, {**known, **fields})
    try:
        for row in walk.rows[1:]:
            writer.append(row)
        writer.close("success" if walk.success[-1][0] else "failure")
    except BaseException:
        writer.discard()
        raise


def _is_there(dataset: Dataset, made: str, steps: int) -> bool:
    """Whether a continuation is recorded, whole; the rest of a crashed one is deleted."""
    if made not in dataset:
        return False
    if dataset.info(made).length == steps:
        return True
    dataset.delete(made)
    return False


def _checked(action: Array, name: str) -> Array:
    if not np.isfinite(action).all():
        raise NonFiniteError("The action of the policy", name, "Ask another policy, or an earlier checkpoint of it.")
    return action


def _differ(action: Array) -> bool:
    return bool(np.ptp(action, axis=0).max() > SAME)


def _reward_curve(model: RewardModel, obs: Array, action: Array) -> RewardCurve:
    """Return a model's values of T steps, given T + 1 observations."""
    mean, spread = model.predict(obs[None, :-1], action[None], obs[None, 1:])
    return RewardCurve(mean[0], spread[0])
