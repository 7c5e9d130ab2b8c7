"""The durable log: every event of every batch, written before anybody is told."""

from datetime import datetime
from typing import Self
from uuid import UUID

from django.db import connections, models, transaction

from progress.events import BatchProgressEvent


class ProgressEventQuerySet(models.QuerySet["ProgressEvent"]):
    def after(self, batch_id: UUID, seq: int) -> Self:
        """Return the events of ``batch_id`` that follow ``seq``, in order."""
        return self.filter(batch_id=batch_id, seq__gt=seq).order_by("seq")

    def keep_end(self, batch_id: UUID) -> None:
        """Delete the events of ``batch_id``, which has ended, but the last; that becomes the first, as seq says."""
        with transaction.atomic():
            last = self.filter(batch_id=batch_id).order_by("-seq").first()
            if last is None or last.seq == 1:
                return
            self.filter(batch_id=batch_id, seq__lt=last.seq).delete()
            last.seq, last.data = 1, last.data | {"seq": 1}
            last.save(update_fields=["seq", "data"])

    def append(self, event: BatchProgressEvent, at: datetime) -> None:
        """Write the row of ``event``, which was written at ``at``.

        By a statement of its own, since what ``create`` does beside it costs as much again, at every event.

        Raises:
            IntegrityError: the batch has an event of that position.
        """
        row = self.model(
            batch_id=event.batch_id,
            seq=event.seq,
            stage=event.stage.value,
            message=event.message,
            timestamp=at,
            data=event.as_dict(),
        )
        database = connections[self.db]
        fields = [field for field in self.model._meta.local_concrete_fields if not field.primary_key]
        columns = ", ".join(database.ops.quote_name(str(field.column)) for field in fields)
        table, marks = database.ops.quote_name(self.model._meta.db_table), ", ".join(["%s"] * len(fields))
        values = [field.get_db_prep_save(getattr(row, field.attname), database) for field in fields]
        with database.cursor() as cursor:
            cursor.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", values)  # noqa: S608 - names of ours only


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
