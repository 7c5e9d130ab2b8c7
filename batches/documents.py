"""JSON kept as it was written. The order of a template's keys is the order of its blocks, and so of its columns;
PostgreSQL's ``jsonb``, which Django's own field uses, sorts them."""

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.db import models

from omr.plain_json import PlainDecoder

if TYPE_CHECKING:
    TextField = models.TextField[Any, Any]
else:
    TextField = models.TextField


class DocumentField(TextField):
    """Decoded JSON in Python, its text in the database."""

    _pyi_private_set_type: Any  # what the type checker takes a text field's value for
    _pyi_private_get_type: Any

    def from_db_value(self, value: str, *_: Any) -> Any:
        return json.loads(value)

    def get_prep_value(self, value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    def to_python(self, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value

    def value_to_string(self, obj: models.Model) -> str:
        return self.get_prep_value(self.value_from_object(obj))

    def formfield(self, **kwargs: Any) -> Any:
        return super(models.TextField, self).formfield(
            **{"form_class": forms.JSONField, "decoder": PlainDecoder, **kwargs}
        )
