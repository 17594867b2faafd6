"""A policy of any kind that sees: encoders turn the pictures of its cameras into columns beside those that it is shown.

The encoders are trained with the policy. Between two predictions of a policy that predicts chunks nothing is drawn and
nothing encoded.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import NO_PICTURES, Array, Observation
from robo_rlhf.policies import POLICIES
from robo_rlhf.policies.base import Chunks, Part, TrainedPolicy
from robo_rlhf.policies.chunked import ChunkedPolicy
from robo_rlhf.sim.rendering.looks import Look
from robo_rlhf.vision.augmentation import colour_jitter, random_shift
from robo_rlhf.vision.encoder import CameraEncoder
from robo_rlhf.vision.observer import CameraObserver, Shown
from robo_rlhf.vision.sight import Sight, columns_seen


@POLICIES.register("visual")
class VisualPolicy(TrainedPolicy):
    """Cameras, encoders and a policy of another kind behind them."""

    kind = "visual"
    example: ClassVar[Mapping[str, Any]] = {"policy": "gaussian", "settings": {"width": 16}}

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        *,
        policy: str = "flow",
        settings: Mapping[str, Any] | None = None,
        cameras: Sequence[str] = (),
        size: int = 96,
        columns: Sequence[int] | None = None,
        encoder: str = "small",
        encoder_settings: Mapping[str, Any] | None = None,
        shared: bool = False,
        shift: int = 4,
        jitter: float = 0.1,
        looks: int = 0,
    ) -> None:
        """Build the networks.

        Args:
            obs_dim: size of a whole observation of the task.
            act_dim: size of an action.
            policy: kind of the policy that gets columns and features.
            settings: of that policy.
            cameras: names; none makes a policy that sees only some columns.
            size: sides of a picture [pixels].
            columns: indices of the columns that it is shown; all where None.
            encoder: kind of the encoders.
            encoder_settings: of the encoders.
            shared: whether one encoder serves all cameras.
            shift: how far pictures are moved at random while it learns [pixels].
            jitter: how far their colours are scaled at random while it learns, as a share.
            looks: in how many looks the frames that it learns from are drawn, those of seeds 0 and on; 0: as they are.

        Raises:
            InvalidValueError: a column that the task does not have, or neither cameras nor columns.
        """
        shown = columns_seen("policy visual", obs_dim, columns, cameras, {"shift": shift, "jitter": jitter})
        given = {"policy": policy, "settings": dict(settings or {}), "cameras": list(cameras), "size": size}
        more = {
            "columns": None if columns is None else shown,
            "encoder": encoder,
            "encoder_settings": dict(encoder_settings or {}),
        }
        super().__init__(obs_dim, act_dim, **given, **more, shared=shared, shift=shift, jitter=jitter, looks=looks)
        self.shift, self.jitter = shift, jitter
        self.sight = Sight(tuple(cameras), size, looks) if cameras else None
        self.register_buffer("columns", torch.tensor(shown, dtype=torch.int64), persistent=False)
        built = (tuple(cameras), size, encoder, encoder_settings or {})
        self.encoder = CameraEncoder(*built, shared=shared) if cameras else None
        self.features = self.encoder.features if self.encoder is not None else 0
        self.inner = POLICIES[policy](len(shown) + self.features, act_dim, **(settings or {}))
        self.chunk, self.history = self.inner.chunk, self.inner.history
        self.observer: CameraObserver | None = None
        self.looked = torch.zeros(0, self.features)  # (N, features) of the last look
        self.shown: Array = np.zeros((0, len(shown) + self.features), np.float32)  # what the inner policy got last
        self.seen: Mapping[str, Array] = {}  # of the last look

    columns: Tensor  # (k,) indices

    def fit_normalizer(self, obs: Tensor, action: Tensor) -> None:
        """Fit that of the inner policy; features are left as the encoders make them."""
        shown, level = obs[:, self.columns], torch.ones(len(obs), self.features)
        both = torch.cat([torch.cat([shown, level], dim=1), torch.cat([shown, -level], dim=1)])
        self.inner.fit_normalizer(both, action)  # features of mean 0 and deviation 1 stay as they are

    def loss(self, batch: Chunks, generator: torch.Generator) -> Tensor:
        """Return the loss of the inner policy, its pictures moved and coloured at random.

        A picture is encoded once for all random draws of the inner policy's loss, which cost little beside it.
        """
        count = len(batch.obs)
        seen = batch.obs.view(count, self.history, self.obs_dim)[..., self.columns]
        if self.encoder is not None:
            pictures = {name: self._changed(batch.pictures[name], generator) for name in self._given(batch.pictures)}
            seen = torch.cat([seen, self.encoder(pictures)], dim=-1)
        fields = (seen.flatten(1), batch.action, batch.mask, batch.weight)
        draws = self.inner.draws if self.encoder is not None else 1
        obs, action, mask, weight = (field.repeat(draws, *[1] * (field.ndim - 1)) for field in fields)
        return self.inner.loss(Chunks(obs, action, mask, weight), generator)

    def look_at(self, env: Shown, looks: Sequence[Look] = ()) -> None:
        """Draw the pictures of `env` whenever it looks; raises as `CameraObserver`."""
        self.observer = CameraObserver(env, self.sight, looks) if self.sight is not None else None

    def act(self, obs: Array | Observation) -> Array:
        """Return actions (N, act_dim) for whole observations, with a picture of each camera of the policy.

        Where it looks at an environment, columns are enough.

        Raises:
            InvalidValueError: it has cameras and got columns alone.
        """
        with torch.inference_mode():
            self.shown = self.encoded(obs, look=self.attends())
            return self.inner.act(self.shown)

    def encoded(self, obs: Array | Observation, *, look: bool = True) -> Array:
        """Return what the inner policy gets of an observation, (N, k); its features are of the last look if not `look`.

        Raises:
            InvalidValueError: it has cameras and got columns alone.
        """
        with torch.inference_mode():
            if self.encoder is not None and look:
                if self.observer is not None and not isinstance(obs, Observation):
                    obs = self.observer.observe(obs)
                pictures = obs.pictures if isinstance(obs, Observation) else NO_PICTURES
                self.looked = self.encoder({name: torch.from_numpy(pictures[name]) for name in self._given(pictures)})
                self.seen = pictures
            columns = obs.columns if isinstance(obs, Observation) else obs
            shown = torch.as_tensor(columns, dtype=torch.float32)[:, self.columns]
            both: Array = torch.cat([shown, self.looked if self.features else shown[:, :0]], dim=1).numpy()
        return both

    def remember(self, obs: Array, state: Array) -> None:
        """Take columns (N, obs_dim) and states (N, nstate) of an earlier moment, for an inner policy with a history."""
        if isinstance(self.inner, ChunkedPolicy):
            seen = obs if self.observer is None else self.observer.observe(obs, state)
            self.inner.remember(self.encoded(seen))

    def parts(self) -> list[Part]:
        """Return the encoders, from pictures to features, and the parts of the inner policy."""
        if self.sight is None:
            return self.inner.parts()

        def encode(*pictures: Tensor) -> Tensor:
            assert self.encoder is not None
            return torch.cat([self.encoder.one(index, picture) for index, picture in enumerate(pictures)], dim=-1)

        return [Part(self, encode, {}, pictures=dict.fromkeys(self.cameras, self.sight.size)), *self.inner.parts()]

    def _given(self, pictures: Mapping[str, Any]) -> tuple[str, ...]:
        assert self.sight is not None
        if missing := [name for name in self.sight.cameras if name not in pictures]:
            given = "columns alone" if not pictures else f"pictures of {', '.join(pictures)}"
            expected = f"pictures of {', '.join(missing)} too, as this policy was trained with"
            raise InvalidValueError("observation of a policy with cameras", given, expected)
        return self.sight.cameras

    def _changed(self, picture: Tensor, generator: torch.Generator) -> Tensor:
        return colour_jitter(random_shift(picture, self.shift, generator), self.jitter, generator)

    def samples(self) -> bool:
        """Whether its actions depend on its own random numbers."""
        return self.inner.samples()

    def attends(self) -> bool:
        """Whether the next action depends on the next observation."""
        return self.inner.attends()

    def reset(self, num_envs: int) -> None:
        """Reset the inner policy."""
        self.inner.reset(num_envs)

    def seed(self, seed: int) -> None:
        """Set the inner policy's source of randomness."""
        self.inner.seed(seed)
