"""Captions on images: a line over a frame, and a bar above it. The text shrinks until it fits."""

import cv2
import numpy as np

from robo_rlhf.core.types import Array

FONT = cv2.FONT_HERSHEY_SIMPLEX  # OpenCV 5 draws it, and any Unicode, with a smooth font; OpenCV 4 ASCII alone
INK, PAPER = (32, 36, 44), (246, 247, 249)  # RGB
SHADE = 0.45  # transparency of the background of a line


def bar_height(height: int) -> int:
    """Return how high a bar [pixels] suits a picture that is `height` [pixels] high; even, as videos need it."""
    return 2 * max(8, round(height / 18))


def overlay(picture: Array, text: str) -> None:
    """Write one line of `text` over the lower edge of `picture` (H, W, 3) uint8, on darkened ground."""
    if not text:
        return
    ground = picture[-min(bar_height(picture.shape[0]), picture.shape[0]) :]
    ground[:] = (ground * SHADE).astype(np.uint8)
    _write(ground, text, (255, 255, 255))


def bar(text: str, width: int, height: int) -> Array:
    """Return a bar (height, width, 3) uint8 with one line of `text`."""
    strip = np.full((height, width, 3), PAPER, np.uint8)
    if text:
        _write(strip, text, INK)
    return strip


def _write(ground: Array, text: str, colour: tuple[int, int, int]) -> None:
    """Write `text` at the left of `ground` (h, w, 3), in the middle of its height."""
    height, width = ground.shape[:2]
    margin = height // 3
    scale = height / 44
    (wide, high), _ = cv2.getTextSize(text, FONT, scale, 1)
    if wide > width - 2 * margin:
        scale *= max(0.1, (width - 2 * margin) / wide)
        (wide, high), _ = cv2.getTextSize(text, FONT, scale, 1)
    canvas = np.ascontiguousarray(ground)
    cv2.putText(canvas, text, (margin, (height + high) // 2), FONT, scale, colour, 1, cv2.LINE_AA)
    ground[:] = canvas
