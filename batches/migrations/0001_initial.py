

import batches.documents
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Runner',
            fields=[
                ('name', models.CharField(max_length=100, primary_key=True, serialize=False)),
                ('slots', models.PositiveSmallIntegerField(default=1, help_text='how many batches it works on at once')),
                ('started_at', models.DateTimeField(auto_now_add=True)),
                ('seen_at', models.DateTimeField()),
            ],
            options={
                'ordering': ['started_at'],
            },
        ),
        migrations.CreateModel(
            name='SheetTemplate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slug', models.SlugField(unique=True)),
                ('name', models.CharField(max_length=200)),
                ('document', batches.documents.DocumentField(help_text="OMRChecker's template.json")),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'ordering': ['slug'],
            },
        ),
        migrations.CreateModel(
            name='Batch',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200)),
                ('file_name', models.CharField(help_text="the ZIP's name as its owner knows it", max_length=255)),
                ('archive_path', models.CharField(blank=True, help_text='where the ZIP lies now', max_length=1000)),
                ('archive_kind', models.CharField(choices=[('uploaded', 'Uploaded'), ('local', 'Local')], default='uploaded', max_length=10)),
                ('size_bytes', models.BigIntegerField(default=0)),
                ('sha256', models.CharField(blank=True, help_text='of the ZIP, as its sender told it', max_length=64)),
                ('status', models.CharField(choices=[('uploading', 'Uploading'), ('queued', 'Queued'), ('processing', 'Processing'), ('completed', 'Completed'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='uploading', max_length=12)),
                ('stage', models.CharField(blank=True, help_text='the stage of the latest event', max_length=20)),
                ('finished_stages', models.JSONField(blank=True, default=list, help_text='stages that need not be done again')),
                ('stage_seconds', models.JSONField(blank=True, default=dict)),
                ('attempt', models.PositiveIntegerField(default=1)),
                ('worked_seconds', models.FloatField(default=0, help_text='working time up to the last saved stage or stop')),
                ('page_count', models.PositiveIntegerField(default=0)),
                ('group_count', models.PositiveIntegerField(default=0)),
                ('sheet_count', models.PositiveIntegerField(default=0)),
                ('processed_count', models.PositiveIntegerField(default=0, help_text='includes the sheets set aside')),
                ('review_count', models.PositiveIntegerField(default=0, help_text='sheets that wait for a person, unreadable included')),
                ('unreadable_count', models.PositiveIntegerField(default=0)),
                ('answer_count', models.PositiveIntegerField(default=0)),
                ('error_code', models.CharField(blank=True, max_length=40)),
                ('error_message', models.TextField(blank=True)),
                ('error_details', models.TextField(blank=True)),
                ('failed_stage', models.CharField(blank=True, max_length=20)),
                ('cover_codes', models.JSONField(blank=True, default=dict, help_text='said by a person: file name → code, or - for no cover')),
                ('unreadable_covers', models.JSONField(blank=True, default=list, help_text='file names of covers that need a code')),
                ('sheets_without_cover', models.JSONField(blank=True, default=dict, help_text='of these, the ones that are the first of sheets without a cover → how many')),
                ('cancel_requested', models.BooleanField(default=False)),
                ('lease_holder', models.CharField(blank=True, help_text='the runner at work on it', max_length=100)),
                ('lease_until', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('queued_at', models.DateTimeField(blank=True, null=True)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='batches', to=settings.AUTH_USER_MODEL)),
                ('template', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='batches', to='batches.sheettemplate')),
            ],
            options={
                'verbose_name_plural': 'batches',
                'ordering': ['-created_at'],
            },
        ),
        migrations.CreateModel(
            name='CoverGroup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField(help_text='position in the batch, from 1')),
                ('code', models.CharField(help_text="what the cover's QR code says", max_length=200)),
                ('cover_file_name', models.CharField(max_length=500)),
                ('sheet_count', models.PositiveIntegerField(default=0)),
                ('batch', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='groups', to='batches.batch')),
            ],
            options={
                'ordering': ['number'],
            },
        ),
        migrations.CreateModel(
            name='Sheet',
            fields=[
                ('id', models.UUIDField(editable=False, help_text='Batch.sheet_id()', primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField(help_text='position in the group, from 1')),
                ('position', models.PositiveIntegerField(help_text='position in the batch, from 1')),
                ('file_name', models.CharField(max_length=500)),
                ('status', models.CharField(choices=[('read', 'Read'), ('review', 'Review'), ('reviewed', 'Reviewed'), ('unreadable', 'Unreadable')], max_length=10)),
                ('error_code', models.CharField(blank=True, help_text='why it could not be read', max_length=40)),
                ('error_message', models.TextField(blank=True)),
                ('identity', models.JSONField(default=dict, help_text='column → value')),
                ('doubtful_fields', models.JSONField(default=list, help_text='fields a person has to look at, identity included')),
                ('review_reasons', models.JSONField(default=list, help_text='codes and messages, where fields do not say why')),
                ('fit', models.JSONField(help_text='omr.types.Fit: how the template lies on the page', null=True)),
                ('marks', models.JSONField(default=dict, help_text='field → choices, where identity and answers do not tell them')),
                ('answered', models.PositiveIntegerField(default=0)),
                ('blank', models.PositiveIntegerField(default=0)),
                ('multiple', models.PositiveIntegerField(default=0)),
                ('doubtful', models.PositiveIntegerField(default=0)),
                ('batch', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='sheets', to='batches.batch')),
                ('group', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='sheets', to='batches.covergroup')),
            ],
            options={
                'ordering': ['position'],
            },
        ),
        migrations.CreateModel(
            name='Answer',
            fields=[
                ('pk', models.CompositePrimaryKey('batch_id', 'sheet_id', 'question', blank=True, editable=False, primary_key=True, serialize=False)),
                ('question', models.PositiveSmallIntegerField()),
                ('answer', models.CharField(help_text='empty for blank, letters in print order for multiple', max_length=32)),
                ('confidence', models.FloatField(help_text='0–1')),
                ('status', models.CharField(choices=[('single', 'Single'), ('blank', 'Blank'), ('multiple', 'Multiple'), ('doubtful', 'Doubtful'), ('corrected', 'Corrected')], max_length=9)),
                ('batch', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='batches.batch')),
                ('sheet', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='batches.sheet')),
            ],
        ),
        migrations.CreateModel(
            name='BatchAccess',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('right', models.CharField(choices=[('viewer', 'Viewer'), ('operator', 'Operator')], default='viewer', max_length=8)),
                ('granted_at', models.DateTimeField(auto_now_add=True)),
                ('batch', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='access', to='batches.batch')),
                ('granted_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('group', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='auth.group')),
                ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'batch access',
                'constraints': [models.UniqueConstraint(fields=('batch', 'user'), name='one_right_per_user'), models.UniqueConstraint(fields=('batch', 'group'), name='one_right_per_group'), models.CheckConstraint(condition=models.Q(('user', None), ('group', None), _connector='XOR'), name='right_of_either_user_or_group')],
            },
        ),
        migrations.AddConstraint(
            model_name='covergroup',
            constraint=models.UniqueConstraint(fields=('batch', 'number'), name='one_group_per_number'),
        ),
        migrations.AddIndex(
            model_name='sheet',
            index=models.Index(fields=['batch', 'status'], name='batches_she_batch_i_2dee15_idx'),
        ),
        migrations.AddConstraint(
            model_name='sheet',
            constraint=models.UniqueConstraint(fields=('batch', 'position'), name='one_sheet_per_position'),
        ),
        migrations.AddIndex(
            model_name='batch',
            index=models.Index(fields=['status', 'queued_at'], name='batches_bat_status_4c7d99_idx'),
        ),
        migrations.AddIndex(
            model_name='batch',
            index=models.Index(fields=['-created_at'], name='batches_bat_created_56977f_idx'),
        ),
    ]
