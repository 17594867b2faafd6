"""Raw HID reports, read straight from /dev/hidraw, as a SpaceMouse sends them. Needs no library."""

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

DEVICES = Path("/dev")
CLASS = Path("/sys/class/hidraw")
_ID = re.compile(r"^HID_ID=[0-9A-F]+:0*([0-9A-F]+):0*([0-9A-F]+)$", re.MULTILINE)
_NAME = re.compile(r"^HID_NAME=(.*)$", re.MULTILINE)
_REPORT = 64  # [bytes] that one may have
_GONE = (errno.ENODEV, errno.EIO)


@dataclass(frozen=True)
class HidDevice:
    """A HID device of this machine."""

    path: Path  # /dev/hidraw3
    vendor: int
    product: int
    name: str
    descriptor: bytes  # report descriptor


class RawDevice:
    """One open HID device."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            OSError: it is not there, or not permitted.
        """
        self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def read(self) -> list[bytes]:
        """Return the reports since the last call, at once.

        Raises:
            ConnectionError: the device was unplugged.
        """
        reports: list[bytes] = []
        while len(reports) < 256:
            try:
                report = os.read(self._file, _REPORT)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in _GONE:
                    raise ConnectionError("the device was unplugged") from error
                raise
            if not report:
                raise ConnectionError("the device was unplugged")
            reports.append(report)
        return reports

    def close(self) -> None:
        """Close it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def list_devices(listing: Path = CLASS, devices: Path = DEVICES) -> list[HidDevice]:
    """Return the HID devices of this machine, by name of their file; none where there is no such listing."""
    found = []
    for folder in sorted(listing.glob("hidraw*")):
        try:
            about = (folder / "device" / "uevent").read_text()
            descriptor = (folder / "device" / "report_descriptor").read_bytes()
        except OSError:
            continue  # unplugged meanwhile
        ids, name = _ID.search(about), _NAME.search(about)
        if ids:
            vendor, product = int(ids[1], 16), int(ids[2], 16)
            found.append(HidDevice(devices / folder.name, vendor, product, name[1] if name else "", descriptor))
    return found
