"""A reward of any kind that sees: encoders turn pictures into columns beside those of observations that it is shown.

Pictures come a few times a second; a step has the newest of its time. Encoders are learned with the reward, one set for
each member, or are those of a cloned policy and stay as they are: what they see of a picture is then computed once.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.rewards import REWARDS
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.vision.augmentation import colour_jitter, random_shift
from robo_rlhf.vision.encoder import CameraEncoder
from robo_rlhf.vision.seen_episodes import NumberedPictures
from robo_rlhf.vision.sight import Sight, columns_seen

AT_ONCE = 256  # pictures, which bounds the memory


@REWARDS.register("visual")
class VisualReward(RewardModel):
    """Cameras, encoders and a reward model of another kind behind them.

    With cameras its observations have one more column, the last: the number of a picture among those of `look_at`.
    """

    kind = "visual"
    example: ClassVar[Mapping[str, Any]] = {"members": 4, "settings": {"width": 16}}

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        *,
        members: int = 3,
        reward: str = "ensemble",
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
        rate: float = 4.0,
        frozen: bool = False,
    ) -> None:
        """Build the networks.

        Args:
            obs_dim: size of a whole observation of the task.
            act_dim: size of an action.
            members: networks in the ensemble.
            reward: kind of the model that gets columns and features.
            settings: of that model.
            cameras: names; none makes a reward that sees only some columns.
            size: sides of a picture [pixels].
            columns: indices of the columns that it is shown; all where None.
            encoder: kind of the encoders.
            encoder_settings: of the encoders.
            shared: whether one encoder serves all cameras.
            shift: how far pictures are moved at random while it learns [pixels].
            jitter: how far their colours are scaled at random while it learns, as a share.
            looks: in how many looks the frames that it learns from are drawn; 0: as they are.
            rate: pictures a second.
            frozen: whether the encoders are those of a policy, see `take_encoder`, for all members.

        Raises:
            InvalidValueError: a column that the task does not have, neither cameras nor columns, a rate of 0, or an
                encoder whose features depend on more than its weights.
        """
        shown = columns_seen("reward visual", obs_dim, columns, cameras, {"shift": shift, "jitter": jitter})
        inside, about = dict(settings or {}), dict(encoder_settings or {})
        given: dict[str, Any] = {"reward": reward, "settings": inside, "cameras": list(cameras), "size": size}
        given |= {"columns": None if columns is None else shown, "encoder": encoder, "encoder_settings": about}
        given |= {"shared": shared, "shift": shift, "jitter": jitter, "looks": looks, "rate": rate, "frozen": frozen}
        super().__init__(obs_dim, act_dim, members=members, **given)
        if not 0 < rate < float("inf"):
            raise InvalidValueError("rate of reward visual", rate, "pictures a second, above 0")
        if reward == self.kind:
            raise InvalidValueError("reward of reward visual", reward, "another kind, which gets the features")
        self.shift, self.jitter, self.rate, self.frozen = shift, jitter, rate, frozen
        self.sight = Sight(tuple(cameras), size, looks) if cameras else None
        self.register_buffer("columns", torch.tensor(shown, dtype=torch.int64), persistent=False)
        made = (tuple(cameras), size, encoder, about)
        copies = (1 if frozen else members) if cameras else 0
        self._hold([CameraEncoder(*made, shared=shared) for _ in range(copies)])
        self.inner = REWARDS[reward](len(shown) + self.features, act_dim, members=members, **inside)
        self.markovian, self.dynamics_aware = self.inner.markovian, self.inner.dynamics_aware
        self._pictures: tuple[NumberedPictures, ...] = ()
        self._known = torch.zeros(0, self.features)  # of the frozen encoders, by number

    columns: Tensor  # (k,) indices

    def _hold(self, built: Sequence[CameraEncoder]) -> None:
        """Hold the weights of encoders as they are, frozen, or those of all members as one parameter each."""
        self._template, self.features = tuple(built[:1]), built[0].features if built else 0  # in a tuple: no part of it
        self._names = [name for name, _ in built[0].named_parameters()] if built else []
        if any(True for one in built for _ in one.buffers()):
            expected = "one without buffers: a picture's features may depend on weights alone"
            raise InvalidValueError("encoder of a reward", self.settings["encoder"], expected)
        for place, weights in enumerate(zip(*(one.parameters() for one in built), strict=True)):
            if self.frozen:
                self.register_buffer(self._called(place), weights[0].detach().clone())
            else:
                self.register_parameter(self._called(place), nn.Parameter(torch.stack([*weights]).detach()))

    def _called(self, place: int) -> str:
        return f"encoder_{self._names[place].replace('.', '_')}"

    def _weights(self, member: int) -> dict[str, Tensor]:
        """Return the weights of the encoders of a member."""
        found = {name: getattr(self, self._called(place)) for place, name in enumerate(self._names)}
        return found if self.frozen else {name: value[member] for name, value in found.items()}

    def take_encoder(self, encoder: nn.Module) -> None:
        """Take the weights of the encoders of a policy with the same cameras, for frozen ones.

        Raises:
            InvalidValueError: they are of other cameras, sizes or kinds.
        """
        mine = {name: value.shape for name, value in self._weights(0).items()}
        if not self.frozen or mine != {name: value.shape for name, value in encoder.named_parameters()}:
            raise InvalidValueError("encoder to take over", "one of other cameras or another kind", "as the reward's")
        with torch.no_grad():
            for name, value in encoder.named_parameters():
                self._weights(0)[name].copy_(value)

    def look_at(self, pictures: NumberedPictures) -> None:
        """Look up pictures here, by the numbers in the last column of observations."""
        self._pictures, self._known = (pictures,), self._known[:0]

    @property
    def pictures(self) -> NumberedPictures | None:
        """What `look_at` was given last."""
        return self._pictures[0] if self._pictures else None

    def fit_normalizer(self, obs: Tensor) -> None:
        """Set the z-scores of the inner model from data (M, seen_dim); learned features are of deviation 1 already."""
        if not self.sight:
            self.inner.fit_normalizer(obs[:, self.columns])
            return
        with torch.no_grad():
            shown = obs[:, self.columns]
            if self.frozen:
                self.inner.fit_normalizer(torch.cat([shown, self._encoded(obs[..., -1])], -1))
                return
            level = torch.ones(len(obs), self.features)
            self.inner.fit_normalizer(torch.cat([torch.cat([shown, sign * level], -1) for sign in (1, -1)]))

    def fit_steps(self, obs: Tensor, next_obs: Tensor) -> None:
        """Set further scales of the inner model from steps (M, seen_dim)."""
        if self.dynamics_aware:
            with torch.no_grad():
                both = self._seen(torch.stack([obs, next_obs]))
                self.inner.fit_steps(*(both if both.ndim == 3 else both[0]))

    def auxiliary_loss(self, obs: Tensor, action: Tensor, next_obs: Tensor) -> Tensor:
        """Return the inner model's loss (E,) on steps without answers, which does not change the encoders."""
        if not self.dynamics_aware:
            return torch.zeros(self.members)
        with torch.no_grad():
            before, after = self._seen(torch.stack([obs, next_obs], 1)).unbind(1)
        return self.inner.auxiliary_loss(before, action, after)

    def forward(self, obs: Tensor, action: Tensor, next_obs: Tensor) -> Tensor:
        """Return the reward of each step by each member, (E, B, L)."""
        lead, steps = obs.shape[:-1], obs.shape[-2]
        seen = self._seen(torch.cat([obs, next_obs], dim=-2))  # (B, 2 L, d) or (E, B, 2 L, d)
        if seen.ndim == 4 and action.ndim == 3:
            action = action.expand(self.members, *lead, -1)
        return self.inner(seen[..., :steps, :], action, seen[..., steps:, :])  # type: ignore[no-any-return]

    def _seen(self, obs: Tensor) -> Tensor:
        """Return what the inner model gets of observations (..., seen_dim); with learned encoders (E, ..., k)."""
        shown = obs[..., self.columns]
        if self.sight is None:
            return shown
        encoded = self._encoded(obs[..., -1])
        return torch.cat([shown.expand(*encoded.shape[:-1], -1), encoded], dim=-1)

    def _encoded(self, number: Tensor) -> Tensor:
        """Return the features (..., F) of pictures by number (...), of learned encoders for each member, (E, ..., F).

        Numbers that are separate for each member, (E, B, L), give (E, B, L, F).
        """
        if not self._pictures:
            cameras = ", ".join(self.sight.cameras) if self.sight else ""
            expected = f"pictures of {cameras} too, as this reward was trained with"
            raise InvalidValueError("observations for a reward with cameras", "columns alone", expected)
        wanted = number.long()
        if self.frozen:
            pictures = self._pictures[0]
            if len(self._known) < len(pictures):
                rest = torch.arange(len(self._known), len(pictures))
                with torch.no_grad():
                    self._known = torch.cat([self._known, self._read(0, rest)])
            return self._known[wanted]
        own = wanted if wanted.ndim == 3 and len(wanted) == self.members else wanted.expand(self.members, *wanted.shape)
        return torch.stack([self._unique(member, own[member]) for member in range(self.members)])

    def _unique(self, member: int, number: Tensor) -> Tensor:
        """Return a member's features (..., F) of pictures by number (...), each of which it reads once."""
        each, place = torch.unique(number, return_inverse=True)
        return self._read(member, each)[place]

    def _read(self, member: int, number: Tensor) -> Tensor:
        """Return a member's features (M, F) of pictures by number (M,), moved and coloured at random while it learns.

        How they are is drawn from the numbers themselves: a training that is continued draws the same.
        """
        learns = torch.is_grad_enabled() and self.training
        generator = torch.Generator().manual_seed(int(number.sum()) + member)
        found = []
        for some in number.split(len(number) if learns else AT_ONCE):  # type: ignore[no-untyped-call]
            pictures = {name: torch.from_numpy(shown) for name, shown in self._pictures[0].take(some.numpy()).items()}
            if learns:
                pictures = {
                    name: colour_jitter(random_shift(shown, self.shift, generator), self.jitter, generator)
                    for name, shown in pictures.items()
                }
            found.append(torch.func.functional_call(self._template[0], self._weights(member), (pictures,)))
        return torch.cat(found) if found else torch.zeros(0, self.features)
