"""Batches of Kinesis and SQS to rollups by series and minute."""

import base64
import gzip
import json
import math

from event import Rejected, accept, events

# Scale 5 of an OpenTelemetry exponential histogram.
BINS_A_DOUBLING = 32


class Rollup:
    """Of one series in one window. Users are a set of hashes: in a batch a sketch costs about the same."""

    __slots__ = ("statuses", "bins", "sum_us", "min_us", "max_us", "users")

    def __init__(self):
        self.statuses, self.bins, self.users = {}, {}, set()
        self.sum_us, self.min_us, self.max_us = 0, math.inf, 0

    def add(self, status, duration_us, user):
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if duration_us is not None:
            bin = math.ceil(math.log2(duration_us) * BINS_A_DOUBLING) - 1 if duration_us else None
            self.bins[bin] = self.bins.get(bin, 0) + 1
            self.sum_us += duration_us
            self.min_us = min(self.min_us, duration_us)
            self.max_us = max(self.max_us, duration_us)
        if user is not None:
            self.users.add(hash(user))


class Count:
    def __init__(self):
        self.rollups, self.events, self.rejected = {}, 0, 0

    def payload(self, payload, arrival_ms):
        try:
            if payload.startswith(b"\x1f\x8b"):
                payload = gzip.decompress(payload)
            for event in events(payload):
                self.event(event, arrival_ms)
        except (ValueError, OSError, EOFError):
            self.rejected += 1

    def event(self, event, arrival_ms):
        try:
            window, service, endpoint, status, duration_us, user = accept(event, arrival_ms)
        except (Rejected, ValueError):
            self.rejected += 1
            return
        self.events += 1
        key = (window, service, endpoint)
        rollup = self.rollups.get(key)
        if rollup is None:
            rollup = self.rollups[key] = Rollup()
        rollup.add(status, duration_us, user)

    def answer(self):
        return json.dumps({"events": self.events, "rejected": self.rejected, "series": len(self.rollups)})


def kinesis(payload):
    count = Count()
    for record in json.loads(payload)["Records"]:
        record = record["kinesis"]
        count.payload(base64.b64decode(record["data"]), round(record["approximateArrivalTimestamp"] * 1000))
    return count.answer()


def sqs(payload):
    count = Count()
    for message in json.loads(payload)["Records"]:
        body = message["body"]
        data = base64.b64decode(body) if body.startswith("H4sI") else body.encode()
        count.payload(data, int(message["attributes"]["SentTimestamp"]))
    return count.answer()
