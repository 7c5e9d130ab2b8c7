"""Changes to the gray levels that a template asks for before its bubbles are looked at."""

import cv2
import numpy as np

from omr.arrays import Gray
from omr.preprocessors import GaussianBlur, Levels, MedianBlur, Preprocessor


def apply_filter(gray: Gray, step: Preprocessor, zoom: float) -> Gray:
    """Return ``gray`` as ``step`` changes it; a step that changes no gray levels leaves it as it is.

    Args:
        gray: the picture.
        step: its lengths are meant for the processed picture.
        zoom: how many times wider ``gray`` is than that one.
    """
    match step:
        case GaussianBlur():
            width, height = (_grown(side, zoom) for side in step.kernel)
            return np.asarray(cv2.GaussianBlur(gray, (width, height), step.sigma * zoom), np.uint8)
        case MedianBlur():
            return np.asarray(cv2.medianBlur(gray, _grown(step.kernel, zoom)), np.uint8)
        case Levels():
            return np.asarray(cv2.LUT(gray, _level_table(step)), np.uint8)
    return gray


def _grown(side: int, zoom: float) -> int:
    """Return an odd number of pixels as near as can be to ``side`` after the picture was enlarged."""
    return max(1, 2 * round((side * zoom - 1) / 2) + 1)


def _level_table(step: Levels) -> Gray:
    low, high = int(255 * step.low), int(255 * step.high)
    share = np.clip((np.arange(256) - low) / max(1, high - low), 0.0, 1.0)
    return (255 * share ** (1 / step.gamma)).astype(np.uint8)
