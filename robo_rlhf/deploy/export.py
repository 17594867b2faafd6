"""Export of a trained policy: its networks as ONNX or torch programs, and what is needed to run them on a robot.

A folder holds the networks (part-0.onnx, ...), `policy.json`, which says how they are run, a model card (README.md),
and `exported_policy.py`, which runs them with numpy and onnxruntime.
"""

import json
import warnings
from collections.abc import Mapping
from importlib import metadata
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from robo_rlhf.core.errors import ConflictError, InvalidValueError, MissingDependencyError
from robo_rlhf.core.files import make_folder, publish_folder, remove_tree, write_atomic
from robo_rlhf.deploy import exported
from robo_rlhf.deploy.card import model_card
from robo_rlhf.policies.base import Part
from robo_rlhf.policies.checkpoint import load_meta, load_policy
from robo_rlhf.policies.visual import VisualPolicy
from robo_rlhf.sim.envs.partial_observation import ObservationMask
from robo_rlhf.sim.envs.task_env import make_env

FORMAT, SEEING = 1, 2  # of policy.json; with pictures, or columns that are not shown
Format = Literal["onnx", "torch"]
PICTURE = {"dtype": "uint8", "layout": "rows, columns, RGB; the top row first", "range": [0, 255]}
SUFFIX = {"onnx": "onnx", "torch": "pt2"}


class Deployable(NamedTuple):
    """A trained policy with all that is needed to run it outside of training."""

    manifest: dict[str, Any]  # what policy.json holds, but for the files of the networks
    parts: list[Part]
    meta: dict[str, Any]  # what its checkpoint says

    def modules(self) -> list[nn.Module]:
        """Return the networks, in order."""
        return [_Module(part) for part in self.parts]


class _Module(nn.Module):
    """A part of a policy as a module, which is what torch exports."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self.network, self.function = part.network, part.function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)


def deployable(checkpoint: Path) -> Deployable:
    """Load a policy for use outside of training.

    Raises:
        NotFoundError: there is no such file.
        CorruptFileError: it is damaged.
        InvalidValueError: policies of its kind have no pure parts, or its environment names no columns.
    """
    policy, meta = load_policy(checkpoint), load_meta(checkpoint)
    env = make_env(meta["task"], 1)
    try:
        names, actions = _names(env, "obs", policy.obs_dim), _names(env, "action", policy.act_dim)
        control_hz = 1.0 / env.control_dt
    finally:
        env.close()
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "task": meta["task"],
        "kind": policy.kind,
        "obs_names": names,
        "action_names": actions,
        "action_range": [-1.0, 1.0],
        "control_hz": round(control_hz, 6),
        "parts": [_described(part) for part in policy.parts()],
    }
    seeing = getattr(policy, "base", None) or policy
    if isinstance(seeing, VisualPolicy):
        manifest |= {"format": SEEING, "columns": seeing.columns.tolist()}
        side = seeing.sight.size if seeing.sight is not None else 0
        manifest["pictures"] = {name: PICTURE | {"shape": [side, side, 3]} for name in seeing.cameras}
    delay = meta.get("mask_delay")
    if delay is not None:
        mask = ObservationMask(names, delay)
        manifest["mask"] = {"delay": delay, "hidden": mask.hidden.tolist(), "late": mask.late.tolist()}
    return Deployable(manifest, policy.parts(), meta)


def _names(env: Any, what: Literal["obs", "action"], size: int) -> list[str]:
    holders = (getattr(env, "task", None), env)
    found = next((n for n in (getattr(holder, f"{what}_names", ()) for holder in holders) if n), ())
    return list(found) if len(found) == size else [f"{what}_{k}" for k in range(size)]


def _described(part: Part) -> dict[str, Any]:
    return {name: value for name, value in part._asdict().items() if name not in ("network", "function")} | {
        "inputs": dict(part.inputs),
        "pictures": dict(part.pictures),
    }


def export_policy(checkpoint: Path, folder: Path, kind: Format = "onnx") -> Deployable:
    """Write an export into a new folder; it appears whole or not at all.

    Raises:
        ConflictError: the folder exists.
        MissingDependencyError: ONNX is asked for and not installed.
        NotFoundError: there is no such checkpoint.
        CorruptFileError: it is damaged.
        InvalidValueError: policies of its kind cannot be exported.
    """
    if folder.exists():
        raise ConflictError(f"export to {folder}", "it exists; remove it or give another folder")
    _require(kind)
    found = deployable(checkpoint)
    made = folder.with_name(f".{folder.name}.partial")
    if made.exists():
        remove_tree(made)
    make_folder(made)
    try:
        for number, (module, part) in enumerate(zip(found.modules(), found.manifest["parts"], strict=True)):
            part["file"] = f"part-{number}.{SUFFIX[kind]}"
            write_atomic(made / part["file"], _program(module.eval(), part, kind))
        write_atomic(made / "policy.json", json.dumps(found.manifest, indent=2).encode())
        write_atomic(made / "README.md", model_card(checkpoint, found.manifest, found.meta).encode())
        write_atomic(made / "exported_policy.py", Path(exported.__file__).read_bytes())
        publish_folder(made, folder)
    except BaseException:
        remove_tree(made)
        raise
    return found


def _require(kind: Format) -> None:
    for module in ("onnx", "onnxscript") if kind == "onnx" else ():
        try:
            metadata.version(module)
        except metadata.PackageNotFoundError:
            raise MissingDependencyError(
                module, "export to ONNX", "Install robo-rlhf[onnx], or give --format torch."
            ) from None


def _program(module: nn.Module, part: Mapping[str, Any], kind: Format) -> bytes:
    """Return a network, of the manifest's `part`, as a file of its format, for any number of rows."""
    example = [torch.zeros(2, columns) for columns in part["inputs"].values()]
    example += [torch.zeros(2, side, side, 3, dtype=torch.uint8) for side in part["pictures"].values()]
    inputs, output = [*part["inputs"], *part["pictures"]], "features" if part["pictures"] else "actions"
    rows = torch.export.Dim("rows")
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch and onnxscript warn of what they do to each other
        program = torch.export.export(module, tuple(example), dynamic_shapes=(tuple({0: rows} for _ in inputs),))
        if kind == "torch":
            into = BytesIO()
            torch.export.save(program, into)
            return into.getvalue()
        written = torch.onnx.export(program, (), input_names=inputs, output_names=[output], verbose=False)
    if written is None:
        raise InvalidValueError("export to ONNX", "a network", "one that torch can write as ONNX")
    data: bytes = written.model_proto.SerializeToString()
    return data
