"""What the API shows of the rows."""

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from batches.api.completeness import CompletenessDetail, describe
from batches.api.shown_corrections import shown_corrections
from batches.models import Answer, Batch, BatchAccess, Correction, CoverGroup, ExpectedCandidates, Sheet, SheetTemplate

MOST_SAME = 10


class Counts(serializers.Serializer[Any]):
    """How much of everything; ``processed`` includes the sheets set aside."""

    pages = serializers.IntegerField(source="page_count")
    groups = serializers.IntegerField(source="group_count")
    sheets = serializers.IntegerField(source="sheet_count")
    processed = serializers.IntegerField(source="processed_count")
    review = serializers.IntegerField(source="review_count")
    unreadable = serializers.IntegerField(source="unreadable_count")
    answers = serializers.IntegerField(source="answer_count")


class Failure(serializers.Serializer[Any]):
    """Why a batch stopped."""

    code = serializers.CharField(source="error_code")
    message = serializers.CharField(source="error_message")
    details = serializers.CharField(source="error_details")
    failed_stage = serializers.CharField()


class BatchLine(serializers.ModelSerializer[Batch]):
    """A batch in a list."""

    owner = serializers.CharField(source="owner.username", read_only=True)
    template = serializers.CharField(source="template.slug", read_only=True)
    counts = Counts(source="*", read_only=True)
    interrupted = serializers.BooleanField(
        source="is_interrupted", read_only=True, help_text="in the middle of its way, and no runner works on it now"
    )
    elapsed_seconds = serializers.SerializerMethodField(help_text="working time up to the last saved stage or stop")

    class Meta:
        model = Batch
        fields = [
            *("id", "name", "file_name", "size_bytes", "owner", "template", "status", "stage"),
            *("attempt", "counts", "interrupted"),
            *("elapsed_seconds", "created_at", "queued_at", "started_at", "finished_at", "archived_at"),
        ]
        read_only_fields = [field for field in fields if field != "name"]

    def get_elapsed_seconds(self, batch: Batch) -> int:
        return int(batch.worked_seconds)


class GroupLine(serializers.ModelSerializer[CoverGroup]):
    """The sheets under one cover."""

    class Meta:
        model = CoverGroup
        fields = ["number", "code", "cover_file_name", "sheet_count"]


class Links(serializers.Serializer[Any]):
    """Where to go on from a batch."""

    page = serializers.CharField()
    stream = serializers.CharField()
    progress = serializers.CharField()
    events = serializers.CharField()
    groups = serializers.CharField()
    sheets = serializers.CharField()
    expected = serializers.CharField()
    sheets_csv = serializers.CharField()
    answers_csv = serializers.CharField()
    responses_csv = serializers.CharField()


class SameBatch(serializers.ModelSerializer[Batch]):
    """Another batch whose ZIP has the same files in it."""

    class Meta:
        model = Batch
        fields = ["id", "name", "status", "created_at"]


class BatchDetail(BatchLine):
    """One batch with all that is known of it; made with the request, as not everybody may see every other batch."""

    groups = GroupLine(many=True, read_only=True)
    error = serializers.SerializerMethodField()
    same_as = serializers.SerializerMethodField(
        help_text="the latest batches that you may see and whose ZIP has the same files in it"
    )
    completeness = serializers.SerializerMethodField(
        help_text="beside the list of expected candidates; null: there is none"
    )
    links = serializers.SerializerMethodField()

    class Meta(BatchLine.Meta):
        fields = [
            *BatchLine.Meta.fields,
            *("finished_stages", "stage_seconds", "error", "unreadable_covers", "same_as", "groups"),
            *("completeness", "links"),
        ]
        read_only_fields = [field for field in fields if field != "name"]

    @extend_schema_field(Failure(allow_null=True))
    def get_error(self, batch: Batch) -> Any:
        return Failure(batch).data if batch.error_code else None

    @extend_schema_field(CompletenessDetail(allow_null=True))
    def get_completeness(self, batch: Batch) -> Any:
        expected = ExpectedCandidates.objects.filter(batch=batch).first()
        return None if expected is None else describe(batch, expected)

    @extend_schema_field(SameBatch(many=True))
    def get_same_as(self, batch: Batch) -> Any:
        visible = Batch.objects.visible_to(self.context["request"].user)
        return SameBatch(visible.same_as(batch)[:MOST_SAME], many=True).data

    @extend_schema_field(Links)
    def get_links(self, batch: Batch) -> dict[str, str]:
        below = reverse("api-batch", args=[batch.pk])
        links = {name: f"{below}/{name}" for name in ("stream", "progress", "events", "groups", "sheets", "expected")}
        tables = {f"{name}_csv": f"{below}/results/{name}.csv" for name in ("sheets", "answers", "responses")}
        return {"page": reverse("batch", args=[batch.pk])} | links | tables


class SheetLine(serializers.ModelSerializer[Sheet]):
    """A sheet in a list."""

    group = serializers.CharField(source="group.code", read_only=True)

    class Meta:
        model = Sheet
        fields = [
            *("id", "group", "number", "position", "file_name", "status", "identity"),
            *("answered", "blank", "multiple", "doubtful", "doubtful_fields", "doubts"),
            *("review_reasons", "error_code", "error_message"),
        ]


class AnswerLine(serializers.ModelSerializer[Answer]):
    class Meta:
        model = Answer
        fields = ["question", "answer", "confidence", "status"]


class SheetLinks(serializers.Serializer[Any]):
    """A sheet as pictures."""

    image = serializers.CharField(help_text="the page as it was scanned")
    overlay = serializers.CharField(allow_null=True, help_text="what was read, as SVG; null for one set aside")


class CorrectionLine(serializers.ModelSerializer[Correction]):
    """What a person said of one field of a sheet; of the whole sheet when ``field`` is empty."""

    sheet = serializers.UUIDField(source="sheet_id", read_only=True)
    by = serializers.CharField(source="by_name", read_only=True)
    applied = serializers.BooleanField(
        source="is_applied", read_only=True, help_text="no: it waits until another person reads the same"
    )
    refusal = serializers.CharField(
        read_only=True, help_text="why it could not be said again of what was read later; empty: it was"
    )
    undone_by = serializers.CharField(source="undone_by_name", read_only=True)

    class Meta:
        model = Correction
        fields = ["id", "sheet", "field", "before", "after", "by", "at", "applied", "refusal", "undone_at", "undone_by"]


class SheetDetail(SheetLine):
    """A sheet with its answers, confidences and doubts, and what people have said of it.

    Made with the request: a first reading is not for who has to read the same.
    """

    answers = serializers.SerializerMethodField()
    corrections = serializers.SerializerMethodField(help_text="the oldest first; without what was taken back")
    links = serializers.SerializerMethodField()

    class Meta(SheetLine.Meta):
        fields = [*SheetLine.Meta.fields, "fit", "answers", "corrections", "links"]

    @extend_schema_field(CorrectionLine(many=True))
    def get_corrections(self, sheet: Sheet) -> Any:
        said = shown_corrections(sheet.batch, self.context["request"].user).filter(sheet_id=sheet.pk, undone_at=None)
        return CorrectionLine(said.order_by("pk"), many=True).data

    @extend_schema_field(SheetLinks)
    def get_links(self, sheet: Sheet) -> dict[str, str | None]:
        place = [sheet.batch_id, sheet.pk]
        overlay = reverse("api-overlay", args=place) if sheet.fit else None
        return {"image": reverse("api-image", args=place), "overlay": overlay}

    @extend_schema_field(AnswerLine(many=True))
    def get_answers(self, sheet: Sheet) -> Any:
        answers = Answer.objects.filter(batch_id=sheet.batch_id, sheet_id=sheet.pk).order_by("question")
        return AnswerLine(answers, many=True).data


class TemplateLine(serializers.ModelSerializer[SheetTemplate]):
    """A template in a list."""

    class Meta:
        model = SheetTemplate
        fields = ["slug", "name", "created_at", "updated_at"]


class KeptKey(serializers.Serializer[Any]):
    """An answer key that lives with a template."""

    key = serializers.JSONField(help_text="OMRChecker's evaluation.json")
    files = serializers.DictField(
        child=serializers.CharField(max_length=2**20, trim_whitespace=False),
        default=dict,
        help_text="the CSV file that the key names: name → text",
    )

    def validate(self, attrs: Any) -> Any:
        if "key" not in attrs:  # a template may be changed in part, its key only as a whole
            raise serializers.ValidationError({"key": ["is missing; give OMRChecker's evaluation.json"]})
        return {"files": {}} | attrs


class TemplateDetail(serializers.ModelSerializer[SheetTemplate]):
    document = serializers.JSONField()
    answer_key = KeptKey(
        required=False, allow_null=True, write_only=True, help_text="by which sheets are scored; null takes it away"
    )
    files = serializers.ListField(
        child=serializers.CharField(), read_only=True, help_text="what lives with the template, by name"
    )

    class Meta:
        model = SheetTemplate
        fields = ["slug", "name", "document", "answer_key", "files", "created_at", "updated_at"]

    def create(self, validated_data: Any) -> SheetTemplate:
        return SheetTemplate.objects.create(**validated_data)

    def update(self, instance: SheetTemplate, validated_data: Any) -> SheetTemplate:
        for name, value in validated_data.items():
            setattr(instance, name, value)
        instance.save()
        return instance


class AccessLine(serializers.ModelSerializer[BatchAccess]):
    """Who else may see or operate a batch."""

    user = serializers.CharField(source="user.username", allow_null=True, default=None)
    group = serializers.CharField(source="group.name", allow_null=True, default=None)
    granted_by = serializers.CharField(source="granted_by.username", allow_null=True, default=None)

    class Meta:
        model = BatchAccess
        fields = ["user", "group", "right", "granted_by", "granted_at"]
