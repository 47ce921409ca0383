"""Counts a log without weir, waits until weir's rows stand still, and holds each row against the count."""

import json
import os
import re
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import boto3
from boto3.dynamodb.conditions import Key
from botocore.exceptions import BotoCoreError, ClientError

# How long rows must not have changed: once they are equal (something may yet be counted twice), and when they are not.
STILL_SECONDS_EQUAL = 5
STILL_SECONDS_UNEQUAL = 60

IDENTIFIER = re.compile(
    r"[0-9]+"
    r"|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|(?=.*[0-9])[0-9a-fA-F]{16,}"
)


@dataclass
class Row:
    events: int = 0
    errors: int = 0
    statuses: dict = field(default_factory=dict)
    durations: int = 0
    duration_sum: Decimal = Decimal(0)

    def add(self, status, duration):
        self.events += 1
        self.errors += status >= 500
        self.statuses[str(status)] = self.statuses.get(str(status), 0) + 1
        self.durations += 1
        self.duration_sum += duration

    def cells(self):
        statuses = " ".join(f"{status}:{count}" for status, count in sorted(self.statuses.items()))
        return f"{self.events:>7} {self.errors:>6} {self.durations:>7} {self.duration_sum:>8.0f}  {statuses}"


def normalise(path):
    path = path.split("?")[0].split("#")[0]
    return "/".join("{id}" if IDENTIFIER.fullmatch(segment) else segment for segment in path.split("/"))


def count(log):
    """The rows that must be: by (window, service, endpoint), with each service's summary `*`."""
    rows = defaultdict(Row)
    for line in Path(log).read_bytes().splitlines():
        event = json.loads(line, parse_float=Decimal)
        minute = datetime.fromisoformat(event["timestamp"]).astimezone(timezone.utc).replace(second=0)
        window = minute.strftime("1m#%Y-%m-%dT%H:%M:%SZ")
        for endpoint in (normalise(event["endpoint"]), "*"):
            rows[window, event["service"], endpoint].add(event["status"], event["request_time"] * 1000)
    return dict(rows)


def read(table, series):
    """The rows that are, of these series. One that should not be shows in the events of its summary."""
    rows = {}
    for service, endpoint in series:
        condition = Key("series").eq(f"{service}#{endpoint}") & Key("window").begins_with("1m#")
        for item in table.query(KeyConditionExpression=condition, ConsistentRead=True)["Items"]:
            durations = item.get("duration_ms", {"count": 0, "sum": 0})
            rows[item["window"], service, endpoint] = Row(
                events=item["events"],
                errors=item["errors"],
                statuses=item["status_counts"],
                durations=durations["count"],
                duration_sum=durations["sum"],
            )
    return rows


def settled(table, expected):
    """The rows once they no longer change."""
    series = sorted({(service, endpoint) for _, service, endpoint in expected})
    rows, since = None, time.monotonic()
    while True:
        before, rows = rows, read(table, series)
        if rows != before:
            since = time.monotonic()
        still = STILL_SECONDS_EQUAL if rows == expected else STILL_SECONDS_UNEQUAL
        if time.monotonic() - since >= still:
            return rows
        time.sleep(0.5)


def main(log, stack):
    expected = count(log)
    if not expected:
        sys.exit("the log is empty: nothing to compare")
    rows = settled(boto3.resource("dynamodb").Table(f"{stack}-rollups"), expected)
    keys = sorted(expected.keys() | rows.keys())
    wide = max(len(f"{service} {endpoint}") for _, service, endpoint in keys)
    print(f"\n{'minute':<17} {'series':<{wide}} {'events':>7} {'errors':>6} {'timed':>7} {'sum ms':>8}  statuses")
    unequal = 0
    for key in keys:
        window, service, endpoint = key
        wanted, found = expected.get(key, Row()), rows.get(key, Row())
        name = f"{window[3:19]}  {f'{service} {endpoint}':<{wide}}"
        if wanted == found:
            print(f"{name} {found.cells()}  =")
        else:
            unequal += 1
            print(f"{name} {wanted.cells()}  in the log\n{'':<{len(name)}} {found.cells()}  in the row: NOT EQUAL")
    lines = sum(row.events for (_, _, endpoint), row in expected.items() if endpoint == "*")
    if unequal:
        sys.exit(f"\n{unequal} of {len(keys)} rows are not what counting the log's {lines} lines gives.")
    print(f"\nAll {len(keys)} rows equal what counting the log's {lines} lines gives.")


if __name__ == "__main__":
    try:
        main(sys.argv[1], os.environ.get("WEIR_STACK", "weir"))
    except (BotoCoreError, ClientError) as error:
        sys.exit(str(error))
