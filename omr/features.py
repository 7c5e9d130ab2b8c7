"""Lay a page over a reference picture by the print that both show."""

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from omr.arrays import Gray, Matrix, Points
from omr.errors import FiducialsNotFound, PoorFit, TemplateError

WIDTH_PX = 1000
"""Width at which both are compared: letters of 10 points are then 15 pixels high, and have corners of their own."""

LEAST_FEATURES = 1500
"""Features that are looked for at least, whatever a template says: a page of text has 5,000."""

LIKENESS = 0.8
"""A match counts when its second best is worse by this factor: letters repeat, and a repeated one proves nothing."""

REACH_PX = 4.0
"""How far a match may lie from the fit: paper that a feeder pulled unevenly is off by 1 to 2 mm, 5 to 10 pixels."""

RIGID_REACH_PX = 10.0
"""How far a match may lie from a map that only shifts, turns and enlarges: a feeder stretches paper by 1 %."""

LEAST_MATCHES = 25
"""Least matches that agree: chance brings four together, rarely eight."""

Features = tuple[Points, npt.NDArray[np.float32]]


def match_reference(page: Gray, reference: bytes, *, most_features: int, is_affine: bool) -> tuple[Matrix, float]:
    """Return the way from the reference, as fractions of its width and height, to pixels of ``page``; and its error.

    The error is the median distance, in pixels of ``page``, between matched print and the fit.

    Raises:
        FiducialsNotFound: nothing on the page can be told from something else.
        PoorFit: the page shows other print than the reference.
    """
    number = max(LEAST_FEATURES, most_features)
    (known, known_looks), reference_size = _reference_features(reference, number)
    shrink = max(1.0, page.shape[1] / WIDTH_PX)
    seen, seen_looks = _features(page, shrink, number)
    if len(seen) < LEAST_MATCHES:
        raise FiducialsNotFound(f"{len(seen)} features seen, {LEAST_MATCHES} needed; check that the page is printed")
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(known_looks, seen_looks, k=2)
    good = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < LIKENESS * pair[1].distance]
    matrix, error, agreeing = _fit(
        known[[match.queryIdx for match in good]], seen[[match.trainIdx for match in good]], is_affine=is_affine
    )
    if matrix is None or agreeing < LEAST_MATCHES:
        seen_sentence = f"{agreeing} of {len(good)} features lie as on the reference, {LEAST_MATCHES} expected"
        raise PoorFit(f"{seen_sentence}; check that these sheets belong to this template")
    enlarge = np.array([[shrink, 0, (shrink - 1) / 2], [0, shrink, (shrink - 1) / 2], [0, 0, 1.0]])
    width, height = reference_size
    from_fractions = np.array([[width, 0, -0.5], [0, height, -0.5], [0, 0, 1.0]])
    return enlarge @ matrix @ from_fractions, error * shrink


def _fit(known: Points, seen: Points, *, is_affine: bool) -> tuple[Matrix | None, float, int]:
    """Return the map that most matches agree with, their median distance from it, and how many they are."""
    if len(known) < LEAST_MATCHES:
        return None, 0.0, len(known)
    if is_affine:
        # Columns of bubbles repeat: a stretched map lays many over their neighbours. A scanner stretches little.
        _, rigid = cv2.estimateAffinePartial2D(known, seen, method=cv2.RANSAC, ransacReprojThreshold=RIGID_REACH_PX)
        agree = rigid.ravel().astype(bool) if rigid is not None else np.zeros(len(known), bool)
        known, seen = known[agree], seen[agree]
        if len(known) < LEAST_MATCHES:
            return None, 0.0, len(known)
        affine, kept = cv2.estimateAffine2D(known, seen, method=cv2.RANSAC, ransacReprojThreshold=REACH_PX)
        matrix = None if affine is None else np.vstack([affine, [0.0, 0.0, 1.0]])
    else:
        matrix, kept = cv2.findHomography(known, seen, cv2.RANSAC, REACH_PX)
    if matrix is None:
        return None, 0.0, 0
    inside = kept.ravel().astype(bool)
    moved = cv2.perspectiveTransform(known[inside][:, None], matrix)[:, 0]
    return matrix, float(np.median(np.hypot(*(moved - seen[inside]).T))), int(inside.sum())


@lru_cache(maxsize=4)
def _reference_features(reference: bytes, number: int) -> tuple[Features, tuple[int, int]]:
    gray = cv2.imdecode(np.frombuffer(reference, np.uint8), cv2.IMREAD_GRAYSCALE)
    if gray is None:
        raise TemplateError("preProcessors", "names a reference that is no picture", "give a JPEG or PNG of the sheet")
    shrink = max(1.0, gray.shape[1] / WIDTH_PX)
    small_size = (round(gray.shape[1] / shrink), round(gray.shape[0] / shrink))
    return _features(np.asarray(gray, np.uint8), shrink, number), small_size


def _features(gray: Gray, shrink: float, number: int) -> Features:
    """Return where the features of a picture are, in pixels of the picture made smaller, and what they look like."""
    size = (round(gray.shape[1] / shrink), round(gray.shape[0] / shrink))
    small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA) if shrink > 1 else gray
    points, looks = cv2.SIFT.create(nfeatures=number).detectAndCompute(small, None)
    if looks is None:
        return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32)
    return np.array([point.pt for point in points], np.float32), np.asarray(looks, np.float32)
