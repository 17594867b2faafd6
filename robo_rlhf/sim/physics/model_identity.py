"""Identity of the scene of a recording, the same on every processor; and of the machine it was made on.

A compiled model's floats differ in their last bits between processors, so the identity of a scene is that of its
source: MuJoCo's version, the MJCF that the spec is written as, and the bytes of the files that it uses, wherever they
lie. Its numbers are rounded, since some were computed (directions, quaternions); the identity says to how many digits,
chosen so that no number stands near the edge where rounding jumps. Compared is with the digits of the recording,
hence a number may differ by `MARGIN` and `FLOOR` and the identity stays the same, always.
"""

import functools
import hashlib
import platform
import re
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import mujoco
import numpy as np

DIGITS = (9, 10, 8, 11, 7, 6)  # significant digits of the numbers of a source, in the order in which they are tried
MARGIN, FLOOR = 1e-13, 1e-15  # relative and absolute: how much a number may differ between processors
_IDENTITY = re.compile(r"source(\d{1,2})-[0-9a-f]{16}")
_COMPILED = re.compile(r"[0-9a-f]{16}")
_NUMBER = re.compile(r'(?<=["\s])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?=["\s])')
_NOTHING = re.compile(r' (?:pos="0 0 0"|quat="1 0 0 0")')  # written where a rounding error remained, else omitted
_FILE = re.compile(r'\sfile\w*="')
_FOLDERS = ("meshdir", "texturedir", "assetdir")
# Processor instructions that may change a result; others do not concern floating point.
_FEATURES = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512dq", "asimd", "sve")


def model_hash(spec: mujoco.MjSpec) -> str:
    """Return the identity of a scene: "source9-" and 16 hexadecimal digits, on whichever processor.

    A scene that MuJoCo cannot write as MJCF is named by its compiled bytes; see `compiled_hash`.
    """
    try:
        source = _Source(spec)
    except mujoco.FatalError:
        return compiled_hash(spec.compile())
    return source.identity(source.digits())


def compiled_hash(model: mujoco.MjModel) -> str:
    """Return 16 hexadecimal digits of the compiled bytes: the identity in recordings before 0.1.0, per processor."""
    buffer = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, buffer)
    return hashlib.sha256(buffer.tobytes()).hexdigest()[:16]


def is_same(recorded: str, spec: mujoco.MjSpec, model: mujoco.MjModel) -> bool | None:
    """Whether a recording is of the scene of `spec`, compiled as `model`; None where its identity cannot tell.

    It cannot where there is no identity, or where it is of compiled bytes that differ from the local ones: the
    processor alone may be the cause.
    """
    if not recorded or _COMPILED.fullmatch(recorded):
        return True if recorded and recorded == compiled_hash(model) else None
    form = _IDENTITY.fullmatch(recorded)
    if form is None or int(form[1]) not in DIGITS:
        return False
    try:
        return _Source(spec).identity(int(form[1])) == recorded
    except mujoco.FatalError:
        return False


@functools.cache
def machine() -> Mapping[str, str]:
    """Return what last bits depend on in addition to versions: the system with its C library, and the processor."""
    libc = " ".join(platform.libc_ver()).strip()
    system = f"{platform.system()} {platform.machine()}" + (f", {libc}" if libc else "")
    name, flags = platform.processor(), ""
    try:
        about = Path("/proc/cpuinfo").read_text()
    except OSError:
        about = ""
    for line in about.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        elif key.strip() in ("flags", "Features"):
            flags = " ".join(feature for feature in _FEATURES if feature in value.split())
    return {"platform": system, "processor": f"{name or 'unknown'} ({flags})" if flags else name or "unknown"}


class _Source:
    """The source of a scene: its MJCF, without the paths of its files, and digests of those."""

    def __init__(self, spec: mujoco.MjSpec) -> None:
        """Write `spec`, which is not changed.

        Raises:
            FatalError: MuJoCo cannot write it.
        """
        spec = spec.copy()
        pictures = [_take_picture(texture) for texture in spec.textures if len(texture.data)]
        text = _write(spec)
        self._text = _name_by_content(*_pack(spec)) if _FILE.search(text) else text
        self._about = [mujoco.__version__, *pictures]
        self._numbers = {word: float(word) for word in set(_NUMBER.findall(self._text))}

    def digits(self) -> int:
        """Return the number of digits to which its numbers can be rounded with none of them near an edge."""
        return next((digits for digits in DIGITS if not self._is_near_an_edge(digits)), DIGITS[0])

    def identity(self, digits: int) -> str:
        """Return the identity with numbers rounded to so many digits."""
        rounded = {word: _round(value, digits) for word, value in self._numbers.items()}
        text = _NOTHING.sub("", _NUMBER.sub(lambda found: rounded[found[0]], self._text))
        digest = hashlib.sha256("\n".join([*self._about, text]).encode())
        return f"source{digits}-{digest.hexdigest()[:16]}"

    def _is_near_an_edge(self, digits: int) -> bool:
        for value in self._numbers.values():
            off = MARGIN * abs(value) + FLOOR
            if _round(value - off, digits) != _round(value + off, digits):
                return True
        return False


def _round(value: float, digits: int) -> str:
    """Return a number to so many significant digits; rounding errors of zero become zero."""
    return f"{round(value, digits + 3) + 0.0:.{digits}g}"


def _write(spec: mujoco.MjSpec) -> str:
    """Return the MJCF of a spec: as it was written, or where that is impossible as it was compiled."""
    if not hasattr(spec.compiler, "savecompiled"):  # older versions write compiled models alone
        spec.compile()
        return str(spec.to_xml())
    try:
        spec.compiler.savecompiled = False
        return str(spec.to_xml())
    except mujoco.FatalError:  # it has attached parts with separate compiler settings
        spec.compiler.savecompiled = True
        return str(spec.to_xml())


def _pack(spec: mujoco.MjSpec) -> tuple[str, dict[str, str]]:
    """Return the MJCF of a spec that was written before, and the digests of its files by their names in an archive."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.mjz")
        spec.encode(str(path))
        with zipfile.ZipFile(path) as archive:
            content = {name: archive.read(name) for name in archive.namelist()}
    text = content.pop("model.xml").decode()
    return text, {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}


def _name_by_content(text: str, files: Mapping[str, str]) -> str:
    """Return MJCF that names files by their content, and not by their folders."""
    root = ElementTree.fromstring(text)
    folders = ["", *(setting.attrib.pop(name, "") for setting in root.findall("compiler") for name in _FOLDERS)]
    for element in root.iter():
        for key, value in element.attrib.items():
            if key.startswith("file"):
                places = (f"{folder.rstrip('/')}/{value}".lstrip("/") for folder in folders)
                element.set(key, next((files[place] for place in places if place in files), value))
    ElementTree.indent(root)  # MuJoCo rewrites it where it had to rename folders
    return ElementTree.tostring(root, encoding="unicode")


def _take_picture(texture: mujoco.MjsTexture) -> str:
    """Remove the pixels that a texture holds, which MJCF cannot express; return their digest."""
    pixels = bytes(texture.data)
    texture.data = b""
    texture.builtin = mujoco.mjtBuiltin.mjBUILTIN_FLAT
    return hashlib.sha256(pixels).hexdigest()
