"""Front ends of other origins, as HTTP shows them: what every door says, and that all say the same."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.site import Site
from tests.tus import Tus, a_zip

FRIEND, STRANGER = "https://app.example.org", "https://elsewhere.example.org"
CORS = "access-control-"
SIZE_BYTES = 10_000
TUS_HEADERS = (
    *("Tus-Resumable", "Upload-Length", "Upload-Offset", "Upload-Metadata", "Upload-Checksum"),
    *("Upload-Defer-Length", "Upload-Concat", "X-HTTP-Method-Override", "X-Request-ID"),
)
DOORS = ("/api/batches", "/api/auth/login", "/api/batches/no-such/stream", "/api/uploads", "/api/uploads/no-such")


@dataclass(frozen=True)
class Api:
    url: str
    ann: Tus

    def preflight(self, address: str, *, origin: str, method: str = "PATCH", headers: str = "") -> httpx.Response:
        asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
        return httpx.options(f"{self.url}{address}", headers=asked)

    def get(self, address: str, *, origin: str = FRIEND, **headers: str) -> httpx.Response:
        return httpx.get(f"{self.url}{address}", headers={"Origin": origin, **headers})


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def api(request: pytest.FixtureRequest, migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    var = tmp_path_factory.mktemp("origins") / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    site = Site(var, {"FRONT_END_ORIGINS": f"{FRIEND}, http://localhost:5173"})
    site.add_user("ann")
    with site.serve(request.param) as url, closing(Tus.login(url, "ann")) as ann:
        yield Api(url, ann)


def cors_of(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith(CORS)}


def listed(value: str) -> set[str]:
    return {name.strip().lower() for name in value.split(",")}


@pytest.mark.parametrize("address", DOORS)
def test_a_named_origin_may_send_what_the_api_the_stream_and_tus_need(api: Api, address: str) -> None:
    answer = api.preflight(address, origin=FRIEND, headers="authorization")

    assert answer.status_code == 200
    assert answer.headers[f"{CORS}allow-origin"] == FRIEND
    wanted = listed(",".join((*TUS_HEADERS, "Authorization", "Last-Event-ID", "Content-Type")))
    assert wanted <= listed(answer.headers[f"{CORS}allow-headers"])
    assert {"get", "post", "put", "patch", "delete", "head"} <= listed(answer.headers[f"{CORS}allow-methods"])
    assert "origin" in listed(answer.headers["Vary"])


def test_every_door_answers_a_preflight_in_the_same_words(api: Api) -> None:
    answers = [api.preflight(address, origin=FRIEND) for address in DOORS]

    said = [{k: v for k, v in answer.headers.items() if k not in ("date", "server")} for answer in answers]
    assert all(words == said[0] for words in said)


@pytest.mark.parametrize("address", DOORS)
def test_an_origin_that_is_not_named_is_told_nothing_it_could_use(api: Api, address: str) -> None:
    assert cors_of(api.preflight(address, origin=STRANGER)) == {}
    assert cors_of(api.get(address, origin=STRANGER)) == {}


@pytest.mark.parametrize(("address", "status"), [("/api/batches", 401), ("/api/batches/no-such/stream", 401)])
def test_who_is_not_signed_in_may_read_that(api: Api, address: str, status: int) -> None:
    answer = api.get(address)

    assert answer.status_code == status
    assert answer.headers[f"{CORS}allow-origin"] == FRIEND


@pytest.mark.parametrize("address", ["/api/batches/no-such", "/api/batches/no-such/stream", "/api/no-such-thing"])
def test_what_is_not_there_may_be_read_too(api: Api, address: str) -> None:
    answer = api.get(address, Authorization=api.ann.http.headers["Authorization"])

    assert answer.status_code == 404
    assert answer.headers[f"{CORS}allow-origin"] == FRIEND


def test_the_upload_door_says_with_every_answer_what_the_page_may_read(api: Api) -> None:
    content, origin = a_zip(SIZE_BYTES), {"Origin": FRIEND}

    made = api.ann.create(SIZE_BYTES, **origin)
    answers = [
        made,
        api.ann.http.head(made.headers["Location"], headers=origin),
        api.ann.patch(made.headers["Location"], content, 7, **origin),
        api.ann.patch(made.headers["Location"], content, 0, **origin),
        httpx.post(f"{api.url}/api/uploads", headers={**origin, "Tus-Resumable": "1.0.0"}),
    ]

    assert [answer.status_code for answer in answers] == [201, 200, 409, 204, 401]
    assert {answer.headers[f"{CORS}allow-origin"] for answer in answers} == {FRIEND}
    exposed = ("Location", "Upload-Offset", "Upload-Length", "Upload-Expires", "Tus-Resumable", "Tus-Version")
    exposed += ("Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm", "Retry-After", "Content-Disposition")
    for answer in answers:
        assert listed(",".join(exposed)) <= listed(answer.headers[f"{CORS}expose-headers"])


def test_the_rest_of_the_api_exposes_the_same_as_the_upload_door(api: Api) -> None:
    door = httpx.post(f"{api.url}/api/uploads", headers={"Origin": FRIEND})

    assert cors_of(api.get("/api/batches")) == cors_of(door)


def test_tus_own_question_what_the_door_can_stays_tus(api: Api) -> None:
    answer = httpx.options(f"{api.url}/api/uploads", headers={"Origin": FRIEND})

    assert answer.status_code == 204
    assert "creation" in answer.headers["Tus-Extension"]
    assert answer.headers[f"{CORS}allow-origin"] == FRIEND


def test_cookies_are_not_offered_to_any_origin(api: Api) -> None:
    for address in DOORS:
        assert f"{CORS}allow-credentials" not in api.preflight(address, origin=FRIEND).headers
        assert f"{CORS}allow-credentials" not in api.get(address).headers


@pytest.mark.parametrize("address", ["/admin/login/", "/metrics", "/healthz", "/"])
def test_nothing_but_the_api_is_for_pages_of_other_origins(api: Api, address: str) -> None:
    assert cors_of(api.get(address)) == {}


def test_a_refusal_by_right_or_by_limit_may_be_read_as_well(site: Site) -> None:
    site.environment |= {"FRONT_END_ORIGINS": FRIEND, "STREAMS_PER_USER": "1", "LOGIN_ATTEMPTS": "1"}
    for name in ("ann", "bob", "eve"):
        site.add_user(name)
    with site.serve("uvicorn") as url, closing(Tus.login(url, "ann")) as ann, closing(Tus.login(url, "bob")) as bob:
        stream = f"/api/batches/{ann.begin(SIZE_BYTES).rpartition('/')[2]}/stream"
        denied = bob.http.get(stream, headers={"Origin": FRIEND})
        with ann.http.stream("GET", stream, headers={"Origin": FRIEND}) as opened:
            one_too_many = ann.http.get(stream, headers={"Origin": FRIEND})
        wrong = {"username": "eve", "password": "guessed"}
        locked = [httpx.post(f"{url}/api/auth/login", json=wrong, headers={"Origin": FRIEND}) for _ in range(2)][-1]

    answers = (denied, opened, one_too_many, locked)
    assert [answer.status_code for answer in answers] == [403, 200, 429, 429]
    assert all(answer.headers[f"{CORS}allow-origin"] == FRIEND for answer in answers)
    assert opened.headers["Content-Type"].startswith("text/event-stream")
    assert "retry-after" in listed(locked.headers[f"{CORS}expose-headers"])


def test_nobody_is_let_in_unless_somebody_is_named(site: Site) -> None:
    with site.serve("uvicorn") as url:
        answers = [httpx.get(f"{url}{address}", headers={"Origin": FRIEND}) for address in DOORS]

    assert all(cors_of(answer) == {} for answer in answers)
