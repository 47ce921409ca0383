"""One event: from its JSON to where and as what it counts."""

import json
import re
from datetime import datetime

MINUTE_MS = 60_000
LATENESS_MS = 48 * 60 * MINUTE_MS
AHEAD_MS = 10 * MINUTE_MS
DURATION_MS_MAX = 86_400_000

IDENTIFIER = re.compile(
    r"[0-9]+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|(?=.*[0-9])[0-9a-fA-F]{16,}", re.ASCII
)
END_OF_PATH = re.compile(r"[?#]")


class Rejected(Exception):
    """Names the field."""


def accept(event, arrival_ms):
    """(window, service, endpoint, status, duration in µs, user) of a parsed event; None where it has none."""
    if type(event) is not dict:
        raise Rejected("not an object")
    service = event.get("service")
    if service is None:
        service = "default"
    elif type(service) is not str or not 1 <= len(service.encode()) <= 128:
        raise Rejected("service")
    endpoint = event.get("endpoint")
    if endpoint is None:
        endpoint = "unknown"
    elif type(endpoint) is not str or not 1 <= len(endpoint.encode()) <= 256:
        raise Rejected("endpoint")
    else:
        endpoint = normal(endpoint)
    status = event.get("status")
    if status is not None and (type(status) is not int or not 0 <= status <= 999):
        raise Rejected("status")
    duration_us = event.get("duration_ms")
    if duration_us is not None:
        if type(duration_us) not in (int, float) or not 0 <= duration_us <= DURATION_MS_MAX:
            raise Rejected("duration_ms")
        duration_us = round(duration_us * 1000)
    user = event.get("user_id")
    if type(user) is int:
        user = str(user)
    elif user is not None and (type(user) is not str or not 1 <= len(user.encode()) <= 256):
        raise Rejected("user_id")
    at = event.get("timestamp")
    if at is None:
        at = arrival_ms
    elif type(at) is str:
        at = int(datetime.fromisoformat(at).timestamp() * 1000)
    elif type(at) is not int:
        raise Rejected("timestamp")
    if not arrival_ms - LATENESS_MS <= at <= arrival_ms + AHEAD_MS:
        raise Rejected("timestamp")
    return at - at % MINUTE_MS, service.replace("#", "%23"), endpoint, status, duration_us, user


def normal(endpoint):
    """The path with its identifiers as {id}."""
    if not endpoint.startswith("/"):
        return endpoint
    path = END_OF_PATH.split(endpoint, 1)[0]
    return "/".join("{id}" if IDENTIFIER.fullmatch(segment) else segment for segment in path.split("/"))


def events(payload):
    """The events of a payload: one object, an array, or one a line; a line that is none is an exception."""
    text = payload.strip()
    if text.startswith(b"["):
        yield from json.loads(text)
        return
    for line in text.splitlines():
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as error:
                yield error
