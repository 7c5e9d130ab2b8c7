"""A value in a template's JSON together with the path that leads to it, for the error's sentence."""

import json
from collections.abc import Iterator
from typing import Any

from omr.errors import TemplateError

ROOT = "template"


class Node:
    """One value; what it holds is asked for by its kind, and refused by its path."""

    def __init__(self, value: Any, path: str = ROOT) -> None:
        self.value, self.path = value, path

    def refuse(self, remedy: str) -> TemplateError:
        """Return the error that says what stands here and what to do."""
        return TemplateError(self.path, f"is {shown(self.value)}", remedy)

    def members(self) -> dict[str, Any]:
        if not isinstance(self.value, dict):
            raise self.refuse("give an object")
        return self.value

    def has(self, key: str) -> bool:
        return key in self.members()

    def child(self, key: str) -> "Node":
        if key not in self.members():
            raise TemplateError(self.below(key), "is missing", "add it")
        return Node(self.value[key], self.below(key))

    def optional(self, key: str, default: Any) -> "Node":
        """Return the value under ``key``, or ``default`` in its place."""
        return Node(self.members().get(key, default), self.below(key))

    def children(self) -> Iterator["Node"]:
        return (self.child(key) for key in self.members())

    def elements(self) -> list["Node"]:
        if not isinstance(self.value, list):
            raise self.refuse("give a list")
        return [Node(value, f"{self.path}[{i}]") for i, value in enumerate(self.value)]

    def number(self, key: str) -> float:
        node = self.child(key)
        if not _is_number(node.value):
            raise node.refuse("give a number")
        return float(node.value)

    def number_between(self, key: str, bounds: tuple[float, float], default: float) -> float:
        node = self.optional(key, default)
        if not _is_number(node.value) or not bounds[0] <= node.value <= bounds[1]:
            raise node.refuse(f"give a number from {bounds[0]:g} to {bounds[1]:g}")
        return float(node.value)

    def pair(self, key: str) -> tuple[float, float]:
        node = self.child(key)
        if not is_pair(node.value):
            raise node.refuse("give two positive numbers: [width, height]")
        return float(node.value[0]), float(node.value[1])

    def text(self, key: str, default: str) -> str:
        node = self.optional(key, default)
        if not isinstance(node.value, str):
            raise node.refuse("give a string")
        return node.value

    def flag(self, key: str, *, default: bool) -> bool:
        node = self.optional(key, default)
        if not isinstance(node.value, bool):
            raise node.refuse("give true or false")
        return node.value

    def texts(self, key: str) -> tuple[str, ...]:
        node = self.child(key)
        if not isinstance(node.value, list) or not node.value or not all(isinstance(v, str) for v in node.value):
            raise node.refuse("give a list of strings")
        return tuple(node.value)

    def below(self, key: str) -> str:
        return key if self.path == ROOT else f"{self.path}.{key}"


def shown(value: Any) -> str:
    """Return ``value`` as JSON, cut where it becomes long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_is_number(v) and v >= 0 for v in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
