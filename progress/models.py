"""The durable log: every event of every batch, written before anybody is told."""

from typing import Self
from uuid import UUID

from django.db import models

from progress.events import BatchProgressEvent


class ProgressEventQuerySet(models.QuerySet["ProgressEvent"]):
    def after(self, batch_id: UUID, seq: int) -> Self:
        """Return the events of ``batch_id`` that follow ``seq``, in order."""
        return self.filter(batch_id=batch_id, seq__gt=seq).order_by("seq")


class ProgressEvent(models.Model):
    """One line of a batch's log. ``batch_id`` is a plain UUID: the stream knows no batches."""

    batch_id = models.UUIDField()
    seq = models.PositiveIntegerField()
    stage = models.CharField(max_length=20)
    message = models.TextField()
    timestamp = models.DateTimeField()
    data = models.JSONField(help_text="the whole event, as it is sent")

    objects = ProgressEventQuerySet.as_manager()

    class Meta:
        ordering = ["batch_id", "seq"]
        constraints = [models.UniqueConstraint(fields=["batch_id", "seq"], name="one_event_per_seq")]

    def __str__(self) -> str:
        return f"{self.seq}: {self.message}"

    @property
    def event(self) -> BatchProgressEvent:
        return BatchProgressEvent.from_dict(self.data)
