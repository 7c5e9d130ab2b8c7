"""The arrays of the reader. They stand apart from its values, which web processes use without numpy."""

import numpy as np
import numpy.typing as npt

Gray = npt.NDArray[np.uint8]
"""A gray image, (H, W), 0 is black."""

Points = npt.NDArray[np.float32]
"""N points, (N, 2), each ``(x, y)``."""

Matrix = npt.NDArray[np.float64]
"""A homography, (3, 3)."""
