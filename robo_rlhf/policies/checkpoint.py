"""Saving and loading policies."""

from pathlib import Path

from robo_rlhf.core.files import data_home
from robo_rlhf.core.model_files import ModelFiles
from robo_rlhf.policies import POLICIES
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.policies.latest_policy import policy_at

_FILES = ModelFiles("policy", POLICIES, "Train a policy with `robo-rlhf train bc`")
new_policy, save_policy, load_meta = _FILES.new, _FILES.save, _FILES.meta


def load_policy(
    place: str | Path,
    *,
    task: str | None = None,
    obs_dim: int | None = None,
    act_dim: int | None = None,
    home: Path | None = None,
) -> TrainedPolicy:
    """Load a trained policy, ready to act.

    Args:
        place: a checkpoint, a run's folder, the name of a run in the data home (its final policy) or of a stage of one,
            "RUN/clone".
        task: that it must be for, where given.
        obs_dim: size of an observation that it must take, where given.
        act_dim: size of an action that it must give, where given.
        home: the data home; else $ROBO_RLHF_HOME, else ./recordings.

    Raises:
        NotFoundError: there is no such file or run, or the run has no policy.
        CorruptFileError: the file is damaged or not a checkpoint.
        UnknownNameError: its kind is not known here.
        InvalidValueError: it has a setting that this version does not know.
        CheckpointMismatchError: it is of another task or of other shapes, or holds no policy.
        NonFiniteError: a weight is NaN or infinite.
    """
    path = Path(place)
    found = path if path.suffix == ".safetensors" else policy_at(path, data_home(home))
    return _FILES.load(found, task=task, obs_dim=obs_dim, act_dim=act_dim)
