"""The rows of the work: batches, who may see them, what was read."""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from django.conf import settings
from django.contrib.auth.models import AbstractUser, Group
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from batches.documents import DocumentField
from batches.errors import UNUSABLE_ARCHIVE_CODES, BatchError, WrongState
from omr.template import parse_template
from progress.events import BatchProgressEvent, ProcessingStage
from progress.models import ProgressEvent


class SheetTemplateQuerySet(models.QuerySet["SheetTemplate"]):
    def install(self, slug: str, name: str, document: dict[str, Any]) -> "SheetTemplate":
        """Return the template ``slug``, adding it when there is none; one that is there is left as it is."""
        return self.get_or_create(slug=slug, defaults={"name": name, "document": document})[0]


class SheetTemplate(models.Model):
    """A sheet's printed layout, as JSON that ``omr.template`` parses."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=200)
    document = DocumentField(help_text="OMRChecker's template.json")
    answer_key = DocumentField(
        default=None, blank=True, help_text="key: OMRChecker's evaluation.json, files: the CSV that it names → text"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = SheetTemplateQuerySet.as_manager()

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug

    @property
    def files(self) -> list[str]:
        """The files that live with this template: its own, pictures, settings, and those of an answer key."""
        key_files = ["evaluation.json", *self.answer_key["files"]] if self.answer_key else []
        config = ["config.json"] if "config" in self.document else []
        return ["template.json", *config, *sorted(self.document.get("files", {})), *key_files]

    def refuse_document(self, document: Any) -> None:
        """Raise unless ``document`` may become this template's.

        Raises:
            TemplateError: it is no template; the sentence names the key and what to do.
            WrongState: batches were made with another layout, and what was read from them would change its meaning.
        """
        parse_template(document)
        read_with = models.Q(template=self) | models.Q(rereadings__template=self)
        if self.pk and document != self.document and (batches := Batch.objects.filter(read_with).distinct().count()):
            sentence = ngettext(
                "%(count)d batch was made with the template %(slug)s, so its layout cannot change; "
                "add the new layout under another slug",
                "%(count)d batches were made with the template %(slug)s, so its layout cannot change; "
                "add the new layout under another slug",
                batches,
            )
            raise WrongState(sentence % {"count": batches, "slug": self.slug})


class BatchStatus(models.TextChoices):
    UPLOADING = "uploading"
    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNFINISHED = (BatchStatus.UPLOADING, BatchStatus.QUEUED, BatchStatus.PROCESSING)

CURRENT = timedelta(hours=1)
"""For so long after its end a batch is among those that are being watched."""


SMALL_BYTES = 200 * 2**20
"""A ZIP of so much or less is a matter of seconds, and has a place to be read at beside the large ones: 300 pages."""


WITH_SMALL_ONES = 2
"""Times its slots a runner works on batches at once; the more than slots are small ones."""


class Priority(models.IntegerChoices):
    """How large a share of the workers a batch gets beside others, and whether it is taken before them."""

    LOW = 1, "low"
    NORMAL = 4, "normal"
    HIGH = 16, "high"


class ArchiveKind(models.TextChoices):
    UPLOADED = "uploaded"  # ours: archived by cleanup
    LOCAL = "local"  # somebody's file: never moved, never deleted


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


class BatchQuerySet(models.QuerySet["Batch"]):
    def visible_to(self, user: AbstractUser) -> Self:
        """Return the batches that ``user`` may watch."""
        if user.is_superuser:
            return self
        granted = BatchAccess.objects.filter(models.Q(user=user) | models.Q(group__in=user.groups.all()))
        return self.filter(models.Q(owner=user) | models.Q(pk__in=granted.values("batch")))

    def search(self, text: str) -> Self:
        """Return the batches whose name, ZIP or id holds ``text``, whatever the case."""
        named = models.Q(name__icontains=text) | models.Q(file_name__icontains=text)
        return self.filter(named | models.Q(pk=text) if _is_uuid(text) else named)

    def waiting(self) -> Self:
        """Return the batches that a runner may take: by priority, and then the longest waiting first."""
        return self.filter(status=BatchStatus.QUEUED).free().order_by("-priority", "queued_at", "pk")

    def queued_before(self, batch: "Batch") -> Self:
        """Return the batches in the queue that are taken before ``batch``."""
        equal = models.Q(priority=batch.priority, queued_at__lt=batch.queued_at)
        return self.filter(models.Q(priority__gt=batch.priority) | equal, status=BatchStatus.QUEUED)

    def small(self) -> Self:
        """Return the batches that are a matter of seconds."""
        return self.filter(size_bytes__gt=0, size_bytes__lte=SMALL_BYTES)

    def same_as(self, batch: "Batch") -> Self:
        """Return the other batches whose ZIP arrived with the same files in it, the latest first."""
        same = models.Q()
        for field in ("sha256", "fingerprint"):
            if known := getattr(batch, field):
                same |= models.Q(**{field: known})
        if not same:
            return self.none()
        arrived = self.exclude(status=BatchStatus.UPLOADING).exclude(error_code__startswith="upload_")
        return arrived.filter(same).exclude(pk=batch.pk).order_by("-created_at")

    def current(self) -> Self:
        """Return the batches that have not ended, or only in the last hour."""
        ended = models.Q(finished_at__gte=timezone.now() - CURRENT)
        return self.filter(models.Q(status__in=UNFINISHED) | ended)

    def listed(self) -> Self:
        """Return the batches that lists show unless somebody asks for the others."""
        return self.filter(archived_at=None)

    def latest_events(self) -> dict[uuid.UUID, BatchProgressEvent]:
        """Return the last event of each of the batches that has one: for some rows of a list, in one question."""
        last = ProgressEvent.objects.filter(batch_id=models.OuterRef("pk")).order_by("-seq").values("data")[:1]
        rows = self.order_by().annotate(event=models.Subquery(last)).values_list("pk", "event")
        return {batch_id: BatchProgressEvent.from_dict(data) for batch_id, data in rows if data is not None}

    def free(self) -> Self:
        """Return the batches that no runner holds now."""
        return self.filter(models.Q(lease_until=None) | models.Q(lease_until__lt=timezone.now()))

    def at_work(self) -> Self:
        """Return the batches that a runner works on now."""
        return self.filter(status=BatchStatus.PROCESSING, lease_until__gte=timezone.now())

    def unannounced(self) -> Self:
        """Return the batches that have ended and whose runner died before it told so: its lease was not given back."""
        ended = (BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.CANCELLED)
        return self.filter(status__in=ended, lease_until__lt=timezone.now())

    def stopping(self) -> Self:
        """Return the batches that somebody wants to be cancelled, and that no runner will see it of by itself."""
        return self.filter(status__in=(BatchStatus.QUEUED, BatchStatus.PROCESSING), cancel_requested=True).free()

    def left_behind(self) -> Self:
        """Return the batches whose runner is gone in the middle of them."""
        return self.filter(status=BatchStatus.PROCESSING).free()


COUNT_FIELDS = (
    *("stage", "worked_seconds", "page_count", "group_count", "sheet_count"),
    *("processed_count", "review_count", "unreadable_count", "answer_count"),
)
ENDING_FIELDS = ("status", "finished_at", "error_code", "error_message", "error_details", "failed_stage")
ATTEMPT_FIELDS = (
    *("finished_stages", "cover_codes", "attempt", "queued_at"),
    *("cancel_requested", "archived_at"),
)


class Batch(models.Model):
    """One ZIP and all that comes of it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="batches")
    template = models.ForeignKey(SheetTemplate, models.PROTECT, related_name="batches")
    file_name = models.CharField(max_length=255, help_text="the ZIP's name as its owner knows it")
    archive_path = models.CharField(max_length=1000, blank=True, help_text="where the ZIP lies now")
    archive_kind = models.CharField(max_length=10, choices=ArchiveKind, default=ArchiveKind.UPLOADED)
    size_bytes = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True, help_text="of the ZIP, as its sender told it")
    fingerprint = models.CharField(max_length=64, blank=True, help_text="of what is in the ZIP, once it is here")

    status = models.CharField(max_length=12, choices=BatchStatus, default=BatchStatus.UPLOADING)
    priority = models.PositiveSmallIntegerField(
        choices=Priority, default=Priority.NORMAL, help_text="its share of the workers beside others, and its turn"
    )
    stage = models.CharField(max_length=20, blank=True, help_text="the stage of the latest event")
    finished_stages = models.JSONField(default=list, blank=True, help_text="stages that need not be done again")
    stage_seconds = models.JSONField(default=dict, blank=True)
    attempt = models.PositiveIntegerField(default=1)
    worked_seconds = models.FloatField(default=0, help_text="working time up to the last saved stage or stop")

    page_count = models.PositiveIntegerField(default=0)
    group_count = models.PositiveIntegerField(default=0)
    sheet_count = models.PositiveIntegerField(default=0)
    processed_count = models.PositiveIntegerField(default=0, help_text="includes the sheets set aside")
    review_count = models.PositiveIntegerField(
        default=0, help_text="sheets that wait for a person, unreadable included"
    )
    unreadable_count = models.PositiveIntegerField(default=0)
    answer_count = models.PositiveIntegerField(default=0)

    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)
    error_details = models.TextField(blank=True)
    failed_stage = models.CharField(max_length=20, blank=True)
    cover_codes = models.JSONField(
        default=dict, blank=True, help_text="said by a person: file name → code, or - for no cover"
    )
    unreadable_covers = models.JSONField(default=list, blank=True, help_text="file names of covers that need a code")
    sheets_without_cover = models.JSONField(
        default=dict, blank=True, help_text="of these, the ones that are the first of sheets without a cover → how many"
    )

    cancel_requested = models.BooleanField(default=False)
    lease_holder = models.CharField(max_length=100, blank=True, help_text="the runner at work on it")
    lease_until = models.DateTimeField(null=True, blank=True)

    second_reading = models.BooleanField(
        default=False, help_text="what is doubtful is settled when two people have read the same"
    )

    created_at = models.DateTimeField(auto_now_add=True)
    queued_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    archived_at = models.DateTimeField(
        null=True, blank=True, help_text="since then it is left out of lists; nothing of it is gone"
    )

    objects = BatchQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "batches"
        indexes = [
            models.Index(fields=["status", "queued_at"]),
            models.Index(fields=["-created_at"]),
            models.Index(fields=["finished_at"]),
            models.Index(fields=["sha256"], condition=~models.Q(sha256=""), name="batch_sha256"),
            models.Index(fields=["fingerprint"], condition=~models.Q(fingerprint=""), name="batch_fingerprint"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_finished(self) -> bool:
        return self.status in (BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.CANCELLED)

    @property
    def is_waiting(self) -> bool:
        return self.status == BatchStatus.QUEUED

    @property
    def is_small(self) -> bool:
        """Whether it is a matter of seconds."""
        return 0 < self.size_bytes <= SMALL_BYTES

    @property
    def is_interrupted(self) -> bool:
        """Whether it is in the middle of its way and no runner works on it."""
        is_held = self.lease_until is not None and self.lease_until > timezone.now()
        return self.status == BatchStatus.PROCESSING and not is_held

    @property
    def has_refused_archive(self) -> bool:
        """Whether it failed for its ZIP, so that it cannot go on without another one."""
        return self.status == BatchStatus.FAILED and self.error_code in UNUSABLE_ARCHIVE_CODES

    @property
    def has_refused_upload(self) -> bool:
        """Whether that ZIP was uploaded: then the other one has to be, as a batch of its own."""
        return self.has_refused_archive and self.archive_kind == ArchiveKind.UPLOADED

    @property
    def has_results(self) -> bool:
        """Whether its sheets and answers are in the database, all of them."""
        return self.status == BatchStatus.COMPLETED or self.has_finished(ProcessingStage.LOADING_DATABASE)

    @property
    def archive(self) -> Path:
        return Path(self.archive_path)

    def has_finished(self, stage: ProcessingStage) -> bool:
        return stage.value in self.finished_stages

    @property
    def next_stage(self) -> ProcessingStage | None:
        """The first stage that is not finished; None when all are."""
        steps = [stage for stage in ProcessingStage if not stage.is_terminal]
        if self.archive_kind == ArchiveKind.LOCAL:
            steps.remove(ProcessingStage.UPLOADING)
        return next((stage for stage in steps if not self.has_finished(stage)), None)

    def end(self, status: BatchStatus, error: BatchError | None = None, *, failed_stage: str = "") -> None:
        """Write that this batch is over, and why."""
        self.status, self.finished_at = status, timezone.now()
        self.stage = ProcessingStage.FAILED if error else ProcessingStage.COMPLETED
        if error:
            self.error_code, self.error_message, self.error_details = error.code, error.message, error.details or ""
            self.failed_stage = failed_stage
        self.save(update_fields=[*ENDING_FIELDS, *COUNT_FIELDS])

    def refuse_putting_away(self) -> None:
        """Raise WrongState, with the reason, unless this batch can be left out of lists."""
        if not self.is_finished:
            sentence = _("%(batch)s is %(status)s: only a batch that has ended can be archived")
            raise WrongState(sentence % {"batch": self, "status": _(self.status)})
        if self.archived_at:
            raise WrongState(_("%(batch)s is archived already") % {"batch": self})

    def put_away(self) -> None:
        """Leave this batch out of lists from now on; nothing of it is deleted.

        Raises:
            WrongState: it has not ended, or not any more.
        """
        self.refuse_putting_away()
        self.archived_at = timezone.now()
        # On the condition that nobody has retried it meanwhile: what is at work is never hidden.
        if not Batch.objects.filter(pk=self.pk, attempt=self.attempt).update(archived_at=self.archived_at):
            raise WrongState(_("%(batch)s was retried just now, so it is not archived") % {"batch": self})

    def refuse_bringing_back(self) -> None:
        """Raise WrongState unless this batch is left out of lists."""
        if not self.archived_at:
            raise WrongState(_("%(batch)s is not archived: there is nothing to bring back") % {"batch": self})

    def bring_back(self) -> None:
        """Show this batch in lists again."""
        self.refuse_bringing_back()
        self.archived_at = None
        self.save(update_fields=["archived_at"])

    def begin_attempt(
        self, covers: Mapping[str, str], *, status: BatchStatus, again_from: ProcessingStage | None = None
    ) -> None:
        """Make a batch ready to go on, with the codes of covers that a person gave.

        A code changes which sheets belong together: what was done from there on is done again.

        Args:
            again_from: a stage that is to be done again though nothing is said of covers, and all that come after it.

        Raises:
            WrongState: somebody else made it ready since it was read.
        """
        ours = Batch.objects.filter(pk=self.pk, attempt=self.attempt).update(attempt=models.F("attempt") + 1)
        if not ours:
            raise WrongState(_("%(batch)s goes on already: somebody else said so a moment ago") % {"batch": self})
        if first := ProcessingStage.ORGANIZING_QR if covers else again_from:
            done = [stage for stage in ProcessingStage if self.has_finished(stage)]
            self.finished_stages = [stage.value for stage in done if stage.comes_before(first)]
            self.processed_count = self.review_count = self.unreadable_count = self.answer_count = 0
        self.cover_codes = {**self.cover_codes, **covers}
        self.attempt += 1
        self.status, self.queued_at, self.finished_at = status, timezone.now(), None
        self.cancel_requested, self.archived_at = False, None  # what is at work is never hidden
        self.error_code = self.error_message = self.error_details = self.failed_stage = ""
        self.save(update_fields=[*ENDING_FIELDS, *ATTEMPT_FIELDS, *COUNT_FIELDS])

    def sheet_id(self, member: str, page: int = 1) -> uuid.UUID:
        """Return the id of the sheet on ``page`` of the archive's ``member``: the same at every reload."""
        return uuid.uuid5(self.pk, f"{member}#{page}")

    def take_lease(self, holder: str, duration: timedelta) -> bool:
        """Take or renew the lease; False when another runner holds it."""
        now = timezone.now()
        free = models.Q(lease_until=None) | models.Q(lease_until__lt=now) | models.Q(lease_holder=holder)
        return self._set_lease(free, holder, now + duration)

    def release_lease(self, holder: str) -> bool:
        """Give the lease back; False when it is no longer ours."""
        return self._set_lease(models.Q(lease_holder=holder), "", None)

    def _set_lease(self, condition: models.Q, holder: str, until: datetime | None) -> bool:
        taken = Batch.objects.filter(condition, pk=self.pk).update(lease_holder=holder, lease_until=until)
        if taken:
            self.lease_holder, self.lease_until = holder, until
        return bool(taken)


class Right(models.TextChoices):
    VIEWER = "viewer"
    OPERATOR = "operator"


class GivenRight(models.Model):
    """A right that somebody gave to a user, or to a group of users."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+")
    group = models.ForeignKey(Group, models.CASCADE, null=True, blank=True, related_name="+")
    right = models.CharField(max_length=8, choices=Right, default=Right.VIEWER)
    granted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    granted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.user or self.group}: {self.right}"


EITHER = models.Q(user=None) ^ models.Q(group=None)
"""A right is a user's or a group's, never both and never nobody's."""


class BatchAccess(GivenRight):
    """A right in somebody else's batch."""

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="access")

    class Meta:
        verbose_name_plural = "batch access"
        constraints = [
            models.UniqueConstraint(fields=["batch", "user"], name="one_right_per_user"),
            models.UniqueConstraint(fields=["batch", "group"], name="one_right_per_group"),
            models.CheckConstraint(condition=EITHER, name="right_of_either_user_or_group"),
        ]


class DefaultAccess(GivenRight):
    """A right that each new batch of ``owner`` gives by itself, so that it can be reached while its owner is away."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="default_access")

    class Meta:
        verbose_name_plural = "default access"
        constraints = [
            models.UniqueConstraint(fields=["owner", "user"], name="one_default_per_user"),
            models.UniqueConstraint(fields=["owner", "group"], name="one_default_per_group"),
            models.CheckConstraint(condition=EITHER, name="default_of_either_user_or_group"),
        ]


class CoverGroup(models.Model):
    """The sheets under one cover."""

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="groups")
    number = models.PositiveIntegerField(help_text="position in the batch, from 1")
    code = models.TextField(help_text="what the cover's QR code says; up to 4,296 characters fit into one")
    cover_file_name = models.CharField(max_length=500)
    sheet_count = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["batch", "number"], name="one_group_per_number")]

    def __str__(self) -> str:
        return self.code


class SheetStatus(models.TextChoices):
    READ = "read"
    REVIEW = "review"
    REVIEWED = "reviewed"
    UNREADABLE = "unreadable"


WAITING = (SheetStatus.REVIEW, SheetStatus.UNREADABLE)
"""Of a sheet that waits for a person."""


class Sheet(models.Model):
    """What one candidate filled in."""

    id = models.UUIDField(primary_key=True, editable=False, help_text="Batch.sheet_id()")
    batch = models.ForeignKey(Batch, models.CASCADE, related_name="sheets", db_index=False)
    group = models.ForeignKey(CoverGroup, models.CASCADE, related_name="sheets")
    number = models.PositiveIntegerField(help_text="position in the group, from 1")
    position = models.PositiveIntegerField(help_text="position in the batch, from 1")
    file_name = models.CharField(max_length=500)
    status = models.CharField(max_length=10, choices=SheetStatus)
    error_code = models.CharField(max_length=40, blank=True, help_text="why it could not be read")
    error_message = models.TextField(blank=True)
    identity = models.JSONField(default=dict, help_text="column → value")
    doubtful_fields = models.JSONField(default=list, help_text="fields a person has to look at, identity included")
    doubts = models.JSONField(default=dict, help_text="field → why it was doubtful when it was read")
    review_reasons = models.JSONField(default=list, help_text="codes and messages, where fields do not say why")
    fit = models.JSONField(null=True, help_text="omr.types.Fit: how the template lies on the page")
    marks = models.JSONField(default=dict, help_text="field → choices, where identity and answers do not tell them")
    answered = models.PositiveIntegerField(default=0)
    blank = models.PositiveIntegerField(default=0)
    multiple = models.PositiveIntegerField(default=0)
    doubtful = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["batch", "position"], name="one_sheet_per_position")]
        indexes = [models.Index(fields=["batch", "status"])]

    def __str__(self) -> str:
        return self.file_name


class AnswerStatus(models.TextChoices):
    SINGLE = "single"
    BLANK = "blank"
    MULTIPLE = "multiple"
    DOUBTFUL = "doubtful"
    CORRECTED = "corrected"


class Answer(models.Model):
    """One question of one sheet, as it was read.

    The key is composite and final: Django cannot change one later, and PostgreSQL wants the column
    it partitions by in it; there each batch has a partition, made by the load (answer_rows.py). No other index
    and no constraint on the parents: they would double the cost of loading 1.7 million rows; a batch is deleted
    through ``services.delete_batch`` only.
    """

    pk = models.CompositePrimaryKey("batch_id", "sheet_id", "question")
    batch = models.ForeignKey(Batch, models.DO_NOTHING, db_index=False, db_constraint=False, related_name="+")
    sheet = models.ForeignKey(Sheet, models.DO_NOTHING, db_index=False, db_constraint=False, related_name="+")
    question = models.PositiveSmallIntegerField()
    answer = models.TextField(help_text="empty for blank, letters in print order for multiple")
    confidence = models.FloatField(help_text="0–1")
    status = models.CharField(max_length=9, choices=AnswerStatus)

    def __str__(self) -> str:
        return f"q{self.question}: {self.answer}"


class CorrectionQuerySet(models.QuerySet["Correction"]):
    def standing(self) -> Self:
        """Return those that nobody took back."""
        return self.filter(undone_at=None)


class Correction(models.Model):
    """What a person said of one field of a sheet, or of the whole sheet: written once, and only ever taken back.

    It names the sheet by its id alone: a batch that is loaded again writes its sheets anew, under the same ids.
    """

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="corrections", db_index=False)
    sheet_id = models.UUIDField()
    field = models.CharField(max_length=200, blank=True, help_text="field or column of the template; empty: the sheet")
    before = models.TextField(blank=True, help_text="what it said when this was written")
    after = models.TextField(blank=True, help_text="what it says since; of a sheet the decision")
    was = models.JSONField(default=dict, help_text="what taking this back has to put back besides")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    by_name = models.CharField(max_length=150, help_text="who that was, also when the user is gone")
    at = models.DateTimeField(default=timezone.now)
    is_applied = models.BooleanField(default=True, help_text="no: it waits until another person reads the same")
    undone_at = models.DateTimeField(null=True)
    undone_by_name = models.CharField(max_length=150, blank=True)

    objects = CorrectionQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["batch", "sheet_id"])]

    def __str__(self) -> str:
        return f"{self.field or 'sheet'}: {self.before} → {self.after}"

    @property
    def refusal(self) -> str:
        """Why this could not be said again of what was read later; empty: it could. It changed nothing then."""
        return str(self.was.get("refusal", ""))

    @property
    def refused_at(self) -> datetime | None:
        return datetime.fromisoformat(self.was["refused_at"]) if self.refusal else None

    @property
    def is_in_effect(self) -> bool:
        """Whether the rows of the sheet say it."""
        return self.is_applied and not self.refusal

    def refuse(self, refusal: str) -> None:
        """Note that this could not be said again; when that was found out stays, if it was known before."""
        since = self.was["refused_at"] if self.refusal else timezone.now().isoformat()
        self.was = {"refusal": refusal, "refused_at": since}


class Rereading(models.Model):
    """Somebody's wish that a sheet be read with another template than its batch; the last one of a sheet counts.

    It names the sheet by its id alone, as corrections do.
    """

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="rereadings", db_index=False)
    sheet_id = models.UUIDField()
    template = models.ForeignKey(SheetTemplate, models.PROTECT, related_name="rereadings")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    by_name = models.CharField(max_length=150, help_text="who that was, also when the user is gone")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["batch", "sheet_id"])]

    def __str__(self) -> str:
        return f"{self.sheet_id}: {self.template}"


class ExpectedCandidates(models.Model):
    """Who should have handed in a sheet, group by group, as a list says that came with or after the batch."""

    batch = models.OneToOneField(Batch, models.CASCADE, primary_key=True, related_name="expected")
    field = models.CharField(max_length=200, help_text="the identity column that names a candidate")
    groups = DocumentField(help_text="code of the cover → candidates, in the order of the list")
    notes = models.JSONField(default=list, blank=True, help_text="what was odd about the list, for people")
    file_name = models.CharField(max_length=255, blank=True)
    given_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    given_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "expected candidates"

    def __str__(self) -> str:
        return f"{self.batch}: expected by {self.field}"


class GroupSummary(models.Model):
    """How the questions of a group were answered, counted once: a batch has up to millions of answers.

    It holds as long as ``state`` is what the group's answers are in; otherwise it is counted again.
    """

    group = models.OneToOneField(CoverGroup, models.CASCADE, primary_key=True, related_name="summary")
    state = models.CharField(max_length=100, help_text="of the answers when they were counted")
    counts = DocumentField(help_text="question → status → answer → how many")

    class Meta:
        verbose_name_plural = "group summaries"

    def __str__(self) -> str:
        return f"{self.group}: counted"


class RunnerQuerySet(models.QuerySet["Runner"]):
    def active(self) -> Self:
        """Return the runners that are there now."""
        return self.filter(seen_at__gt=timezone.now() - RUNNER_SILENCE)

    def seconds_to_silence(self) -> float | None:
        """Return how long until all that are there now will be taken for gone if they say no more; None: none is."""
        seen_at = self.active().aggregate(last=models.Max("seen_at"))["last"]
        return (seen_at + RUNNER_SILENCE - timezone.now()).total_seconds() if seen_at else None


RUNNER_SILENCE = timedelta(seconds=15)
"""A runner that said nothing for so long is gone."""

RUNNER_RENEWAL_SECONDS = 5.0


class Runner(models.Model):
    """A process that takes queued batches, as it says itself."""

    name = models.CharField(max_length=100, primary_key=True)
    slots = models.PositiveSmallIntegerField(default=1, help_text="how many batches it works on at once")
    started_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField()

    objects = RunnerQuerySet.as_manager()

    class Meta:
        ordering = ["started_at"]

    def __str__(self) -> str:
        return self.name
