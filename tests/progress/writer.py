"""Another process of the site that writes: ``python -m tests.progress.writer``, one JSON command a line.

Answers each line with one line of JSON. It stands for the runner and for whoever made the accounts.
"""

import json
import os
import sys
from typing import Any
from uuid import UUID


def main() -> None:
    import django

    django.setup()
    for line in sys.stdin:
        command: dict[str, Any] = json.loads(line)
        sys.stdout.write(json.dumps(COMMANDS[command.pop("do")](**command)) + "\n")
        sys.stdout.flush()


def add_user(name: str, *, superuser: bool) -> dict[str, str]:
    """Add a user; give a token, and the cookie of a session."""
    from django.contrib.auth.models import User
    from django.test import Client
    from rest_framework_simplejwt.tokens import AccessToken

    user = User.objects.create_user(name, is_superuser=superuser, is_staff=superuser)
    client = Client()
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return {"token": str(AccessToken.for_user(user)), "session": client.cookies["sessionid"].value}


def add_batch(owner: str) -> str:
    from django.contrib.auth.models import User

    from batches.models import Batch, SheetTemplate

    template = SheetTemplate.objects.install("plain", "Plain", {})
    user = User.objects.get(username=owner)
    batch = Batch.objects.create(name="Maths", owner=user, template=template, file_name="maths.zip")
    return str(batch.pk)


def grant(batch: str, user: str) -> None:
    from django.contrib.auth.models import User

    from batches.models import BatchAccess

    BatchAccess.objects.create(batch_id=batch, user=User.objects.get(username=user))


def revoke(batch: str, user: str) -> None:
    from batches.models import BatchAccess

    BatchAccess.objects.get(batch=batch, user__username=user).delete()


def deactivate(user: str) -> None:
    from django.contrib.auth.models import User

    User.objects.filter(username=user).update(is_active=False)


def change_password(user: str) -> None:
    from django.contrib.auth.models import User

    one = User.objects.get(username=user)
    one.set_password("another one")
    one.save()


def log_out(session: str) -> None:
    """End the session whose cookie is ``session``."""
    from django.contrib.sessions.models import Session

    Session.objects.get(pk=session).delete()


def delete_batch(batch: str) -> None:
    from batches.models import Batch

    Batch.objects.get(pk=batch).delete()


def end_batch(batch: str, hours_ago: float) -> None:
    """Write that ``batch`` was completed so long ago; tells nobody."""
    from datetime import timedelta

    from django.utils import timezone

    from batches.models import Batch, BatchStatus

    ended = timezone.now() - timedelta(hours=hours_ago)
    Batch.objects.filter(pk=batch).update(status=BatchStatus.COMPLETED, finished_at=ended)


def change_batch(batch: str, **columns: Any) -> None:
    """Write what a runner would write into the row of ``batch``."""
    from batches.models import Batch

    Batch.objects.filter(pk=batch).update(**columns)


def publish(batch: str, messages: list[str], stage: str, attempt: int, more: dict[str, Any] | None = None) -> int:
    """Publish an event for each message, with ``more`` of a report; give the position of the last."""
    from progress.events import ProcessingStage, Report
    from progress.publisher import publish_progress

    seq = 0
    for message in messages:
        report = Report(stage=ProcessingStage(stage), message=message, attempt=attempt, **(more or {}))
        seq = publish_progress(UUID(batch), report).seq
    return seq


def rows(batch: str) -> list[int]:
    """Give the positions of all events of ``batch`` that are in the table."""
    from progress.models import ProgressEvent

    return list(ProgressEvent.objects.after(UUID(batch), 0).values_list("seq", flat=True))


def messages(batch: str) -> list[str]:
    """Give the messages of all events of ``batch`` that are in the table, in order."""
    from progress.models import ProgressEvent

    return list(ProgressEvent.objects.after(UUID(batch), 0).values_list("message", flat=True))


def tell_late(batch: str, seq: int) -> None:
    """Tell the group of an event that is in the table, as a message does that was late."""
    from asgiref.sync import async_to_sync
    from channels.layers import get_channel_layer

    from progress.log import group_name
    from progress.models import ProgressEvent
    from progress.publisher import MESSAGE_TYPE

    event = ProgressEvent.objects.get(batch_id=batch, seq=seq).event
    message = {"type": MESSAGE_TYPE, "event": event.to_json()}
    async_to_sync(get_channel_layer().group_send)(group_name(UUID(batch)), message)


COMMANDS = {
    "user": add_user,
    "batch": add_batch,
    "grant": grant,
    "revoke": revoke,
    "deactivate": deactivate,
    "change_password": change_password,
    "log_out": log_out,
    "delete_batch": delete_batch,
    "end_batch": end_batch,
    "change_batch": change_batch,
    "publish": publish,
    "rows": rows,
    "messages": messages,
    "tell_late": tell_late,
}

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omr_project.settings")
    main()
