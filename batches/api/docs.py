"""The API's own description, for people: made from the schema, without a script or a font of anybody else."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from drf_spectacular.generators import SchemaGenerator

METHODS = ("get", "post", "put", "patch", "delete")


def show_docs(request: HttpRequest) -> HttpResponse:
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return render(request, "docs.html", {"sections": _sections(schema)})


def _sections(schema: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the operations of ``schema`` by tag, each with what it takes and gives."""
    sections: dict[str, list[dict[str, Any]]] = {}
    for path, item in schema["paths"].items():
        for method in METHODS:
            if operation := item.get(method):
                sections.setdefault(operation["tags"][0], []).append(_operation(path, method, operation, schema))
    return list(sections.items())


def _operation(path: str, method: str, operation: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "method": method.upper(),
        "path": path,
        "description": operation.get("description", ""),
        "parameters": [given for given in operation.get("parameters", []) if given["in"] == "query"],
        "body": _properties(operation.get("requestBody", {}), schema),
        "statuses": list(operation["responses"]),
    }


def _properties(body: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the members of a JSON body, each with its name, kind and description."""
    reference = body.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
    component = schema["components"]["schemas"].get(reference.rpartition("/")[2], {})
    return [
        {"name": name, "kind": given.get("type", ""), "description": given.get("description", "")}
        for name, given in component.get("properties", {}).items()
        if not given.get("readOnly")
    ]
