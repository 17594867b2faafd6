"""Batch simulation for a MuJoCo without `mujoco.batch` (before 3.17): a pool of threads over `mj_step`.

`mj_step` releases Python's lock. Each copy goes through what a single simulation of that version goes through, so the
results are the same bit for bit, whatever the number of threads.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import mujoco
import numpy as np

from robo_rlhf.core.types import Array

INTEGRATION = int(mujoco.mjtState.mjSTATE_INTEGRATION)
_FIELDS = {  # of `MjData` that are parts of the state, and the shape of one entry
    "qpos": (mujoco.mjtState.mjSTATE_QPOS, ()),
    "qvel": (mujoco.mjtState.mjSTATE_QVEL, ()),
    "ctrl": (mujoco.mjtState.mjSTATE_CTRL, ()),
    "mocap_pos": (mujoco.mjtState.mjSTATE_MOCAP_POS, (3,)),
    "mocap_quat": (mujoco.mjtState.mjSTATE_MOCAP_QUAT, (4,)),
}


class ThreadBatch:
    """The part of `mujoco.batch.Batch` that this project uses, with the same meaning."""

    def __init__(self, model: mujoco.MjModel, nbatch: int, nthread: int = 0) -> None:
        """Make `nbatch` copies of the default state, stepped on `nthread` threads (0: all cores)."""
        self.model = model
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        threads = min(nthread or cores, nbatch)
        self._shares = [share for share in np.array_split(np.arange(nbatch), threads) if share.size]
        self._datas = [mujoco.MjData(model) for _ in self._shares]
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self.state: Array = np.empty((nbatch, mujoco.mj_stateSize(model, INTEGRATION)))  # live
        self._computed: dict[str, Array] = {}  # by field of `MjData`: (N, ...)
        self.reset()

    def bind(self, field: str) -> Array:
        """Return the live (N, ...) array of an `MjData` field: a view of the states, or what is computed from them."""
        if field in _FIELDS:
            part, shape = _FIELDS[field]
            before = sum(mujoco.mj_stateSize(self.model, 1 << bit) for bit in range(INTEGRATION.bit_length())
                         if 1 << bit < int(part) and INTEGRATION & 1 << bit)  # fmt: skip
            view = self.state[:, before : before + mujoco.mj_stateSize(self.model, int(part))]
            return view.reshape(len(view), -1, *shape) if shape else view
        if field not in self._computed:
            self._computed[field] = np.zeros((len(self.state), *getattr(self._datas[0], field).shape))
        return self._computed[field]

    def step(self, nstep: int = 1, stage: int = int(mujoco.mjtStage.mjSTAGE_VEL)) -> None:
        """Advance every copy by `nstep` physics steps; positions and velocities are then up to date, whatever `stage`.

        Sensors of accelerations and forces describe the last of the steps.
        """

        def advance(data: mujoco.MjData, copy: int) -> None:
            mujoco.mj_step(self.model, data, nstep)
            mujoco.mj_getState(self.model, data, self.state[copy], INTEGRATION)
            mujoco.mj_fwdPosition(self.model, data)
            mujoco.mj_sensorPos(self.model, data)
            mujoco.mj_fwdVelocity(self.model, data)
            mujoco.mj_sensorVel(self.model, data)

        self._each(None, advance)

    def forward(self, ids: Array | None = None, stage: int = int(mujoco.mjtStage.mjSTAGE_ACC)) -> None:
        """Compute what follows from the states of copies `ids`, or of all: everything, whatever `stage`."""
        self._each(ids, lambda data, _: mujoco.mj_forward(self.model, data))

    def reset(self, ids: Array | None = None, stage: int = int(mujoco.mjtStage.mjSTAGE_NONE)) -> None:
        """Reset copies `ids`, or all, to the default state; nothing is computed, whatever `stage`."""
        data = self._datas[0]
        mujoco.mj_resetData(self.model, data)
        default = np.empty(self.state.shape[1])
        mujoco.mj_getState(self.model, data, default, INTEGRATION)
        self.state[slice(None) if ids is None else ids] = default

    def _each(self, ids: Array | None, act: Callable[[mujoco.MjData, int], None]) -> None:
        """Enter the state of each copy, `act` there, and take what is computed."""

        def work(share: Array, data: mujoco.MjData) -> None:
            taken = [(values, getattr(data, field)) for field, values in self._computed.items()]
            for copy in share.tolist():
                mujoco.mj_setState(self.model, data, self.state[copy], INTEGRATION)
                act(data, copy)
                for values, source in taken:
                    values[copy] = source

        wanted = None if ids is None else np.asarray(ids)
        shares = [share if wanted is None else share[np.isin(share, wanted)] for share in self._shares]
        busy = [(share, data) for share, data in zip(shares, self._datas, strict=True) if share.size]
        if self._pool is None or len(busy) == 1:
            for share, data in busy:
                work(share, data)
            return
        for done in [self._pool.submit(work, share, data) for share, data in busy]:
            done.result()
