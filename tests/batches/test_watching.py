"""Rights asked of many at once: what is said of each is what the gate says."""

import random
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone

from batches.api.tickets import stamp_of
from batches.api.watching import still_allowed, visible_batches
from batches.models import Batch, BatchAccess, BatchStatus, Right
from batches.permissions import may, watchable_batches
from progress.watchers import Admission, Proof, Watcher
from tests.batches.builders import a_batch, a_superuser, a_user, shared_with

pytestmark = pytest.mark.django_db


def a_watcher(user: User, *, session: str | None = None) -> Watcher:
    proof = Proof.SESSION if session else Proof.BEARER
    return Watcher(user_id=user.pk, proof=proof, stamp=stamp_of(user), session=session)


def test_what_is_said_of_all_at_once_is_what_the_gate_says_of_each() -> None:
    random.seed(5)
    users = [a_user(f"user{number}") for number in range(8)] + [a_superuser()]
    groups = [Group.objects.create(name=f"group{number}") for number in range(3)]
    for user in users:
        user.groups.set(random.sample(groups, random.randint(0, 2)))
    batches = [a_batch(random.choice(users)) for _ in range(12)]
    for batch in batches:
        for user in random.sample(users, random.randint(0, 2)):
            BatchAccess.objects.create(batch=batch, user=user, right=random.choice(list(Right)))
        for group in random.sample(groups, random.randint(0, 1)):
            BatchAccess.objects.create(batch=batch, group=group, right=random.choice(list(Right)))
    users[0].is_active = False
    users[0].save()

    said = watchable_batches(users, {batch.pk: batch.owner_id for batch in batches})

    for user in users:
        each = {batch.pk for batch in batches if may(user, batch, Right.VIEWER)}
        assert set(said.get(user.pk, ())) == each, user


def test_admissions_hold_as_long_as_user_password_session_batch_and_right_are_there(client: Client) -> None:
    ada, vera = a_user("ada"), a_user("vera")
    batch = a_batch(ada)
    access = shared_with(batch, vera, Right.VIEWER)
    client.force_login(vera)
    session = client.session.session_key
    owner, all_of_vera = Admission(a_watcher(ada), batch.pk), Admission(a_watcher(vera), None)
    bearer, cookie = Admission(a_watcher(vera), batch.pk), Admission(a_watcher(vera, session=session), batch.pk)
    asked = {owner, bearer, cookie, all_of_vera}

    assert still_allowed(asked) == asked
    assert still_allowed({Admission(a_watcher(ada), uuid4())}) == set()

    Session.objects.all().delete()
    assert still_allowed(asked) == asked - {cookie}
    access.delete()
    assert still_allowed(asked) == {owner, all_of_vera}
    vera.set_password("another one")
    vera.save()
    assert still_allowed(asked) == {owner}
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert still_allowed(asked) == set()


def test_rights_cost_the_same_few_questions_however_many_watch(django_assert_max_num_queries: Any) -> None:
    batches = [a_batch(a_user("ada")) for _ in range(5)]
    watchers = [a_watcher(a_user(f"user{number}")) for number in range(40)]
    for number in range(40):
        shared_with(batches[number % 5], a_user(f"user{number}"), Right.VIEWER)
    asked = {Admission(watcher, batch.pk) for watcher in watchers for batch in batches}

    with django_assert_max_num_queries(5):
        allowed = still_allowed(asked)
    with django_assert_max_num_queries(4):
        visible = visible_batches({watcher.user_id for watcher in watchers})

    assert len(allowed) == 40
    assert {len(theirs) for theirs in visible.values()} == {1}


def visible_to(user: User) -> set[UUID]:
    return set(visible_batches({user.pk})[user.pk])


def test_current_batches_are_those_that_have_not_ended_or_only_in_the_last_hour() -> None:
    ada, now = a_user("ada"), timezone.now()
    unfinished = [a_batch(ada, status=status) for status in ("uploading", "queued", "processing")]
    lately = [
        a_batch(ada, status=status, finished_at=now - timedelta(minutes=59))
        for status in ("completed", "failed", "cancelled")
    ]
    a_batch(ada, status=BatchStatus.COMPLETED, finished_at=now - timedelta(minutes=61))
    a_batch(a_user("vera"))

    assert visible_to(ada) == {batch.pk for batch in unfinished + lately}
    assert visible_to(a_user("eve")) == set()
    assert len(visible_to(a_superuser())) == 7


def test_ten_thousand_finished_batches_are_not_looked_through() -> None:
    plan = Batch.objects.current().order_by().values_list("pk", "owner").explain()

    assert connection.vendor == "sqlite"
    assert "SCAN" not in plan
    assert plan.count("USING INDEX") == 2
