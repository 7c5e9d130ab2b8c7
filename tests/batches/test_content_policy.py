"""What every answer says about what a page may load."""

import pytest
from django.test import AsyncClient, Client

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "object-src 'none'",
    "frame-ancestors 'none'",
}


def told(header: str) -> set[str]:
    return set(header.split("; "))


@pytest.mark.parametrize("url", ["/login", "/healthz", "/admin/login/", "/nothing-here", "/api/batches"])
@pytest.mark.django_db
def test_every_answer_allows_what_this_site_serves_and_nothing_inside_a_page(client: Client, url: str) -> None:
    assert told(client.get(url)["Content-Security-Policy"]) == POLICY


@pytest.mark.django_db(transaction=True)
async def test_also_where_answers_are_made_asynchronously(async_client: AsyncClient) -> None:
    answer = await async_client.get("/healthz")

    assert told(answer["Content-Security-Policy"]) == POLICY
