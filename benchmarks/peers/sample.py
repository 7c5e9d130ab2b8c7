"""The specification's own sample: FastAPI and sse-starlette, a Redis subscription for each viewer.

It does what the sample code of the specification does and nothing that it does not; its faults are its own. Batches
and users, which the sample leaves open, are here those that the environment names.
"""

import hmac
import json
import os
from collections.abc import AsyncIterator

import redis.asyncio
from fastapi import Depends, FastAPI, HTTPException, Request
from sse_starlette.sse import EventSourceResponse

BATCHES = set(os.environ["SAMPLE_BATCHES"].split(","))
TOKEN = os.environ["SAMPLE_TOKEN"]
ENDS = {"completed": "complete", "failed": "error"}

app = FastAPI()
# redis-py would refuse the hundred-and-first viewer its connection.
store = redis.asyncio.from_url(os.environ["SAMPLE_REDIS"], decode_responses=True, max_connections=20_000)


async def check_token(request: Request) -> None:
    """Let only those in who bring the token."""
    if not hmac.compare_digest(request.headers.get("authorization", ""), f"Bearer {TOKEN}"):
        raise HTTPException(401, "Not authenticated")


@app.get("/api/batches/{batch_id}/stream", dependencies=[Depends(check_token)])
async def stream(batch_id: str) -> EventSourceResponse:
    """Stream the batch's events."""
    if batch_id not in BATCHES:
        raise HTTPException(404, "Batch not found")
    return EventSourceResponse(follow(batch_id))


async def follow(batch_id: str) -> AsyncIterator[dict[str, str]]:
    """Subscribe, replay the log, then pass on what is published."""
    news = store.pubsub()
    await news.subscribe(f"batch:{batch_id}:progress")
    for line in await store.lrange(f"batch:{batch_id}:progress:log", 0, -1):
        yield {"event": "progress", "data": json.dumps(json.loads(line))}
    try:
        async for message in news.listen():
            if message["type"] != "message":
                continue
            event = json.loads(message["data"])
            name = ENDS.get(event["stage"], "progress")
            yield {"event": name, "data": json.dumps(event)}
            if name != "progress":
                break
    finally:
        await news.unsubscribe(f"batch:{batch_id}:progress")
        await news.aclose()
