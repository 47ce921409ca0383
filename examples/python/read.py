"""Reads the rows of services and merges them: exact counts, quantiles and unique users over any time and any services.

    read.py checkout web --since 90 --resolution 1m

Quantiles of rows cannot be averaged, and unique users of rows cannot be added up. What can be merged are the histogram (an
OpenTelemetry ExponentialHistogramDataPoint, in milliseconds) and the sketch (Apache DataSketches HLL) of each row.
"""

import argparse
import json
import os
from collections import Counter
from datetime import datetime, timedelta, timezone

import boto3
from boto3.dynamodb.conditions import Key
from datasketches import hll_sketch, hll_union
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint

LG_K = 12
SCALE = 5


def rows(table, service, endpoint, resolution, begin, end):
    """Every row of a series whose window begins in the range."""
    text = lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = Key("series").eq(f"{service}#{endpoint}") & Key("window").between(f"{resolution}#{text(begin)}", f"{resolution}#{text(end)}")
    page = table.query(KeyConditionExpression=condition)
    while True:
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        page = table.query(KeyConditionExpression=condition, ExclusiveStartKey=page["LastEvaluatedKey"])


class Merged:
    def __init__(self):
        self.rows = self.events = self.errors = 0
        self.zeros, self.bins = 0, Counter()
        self.least, self.most = None, None
        self.users = hll_union(LG_K)

    def add(self, row):
        self.rows += 1
        self.events += int(row["events"])
        self.errors += int(row["errors"])
        self.users.update(hll_sketch.deserialize(bytes(row["users_sketch"])))
        if "duration_histogram" not in row:
            return
        point = ExponentialHistogramDataPoint.FromString(bytes(row["duration_histogram"]))
        assert point.scale == SCALE, point.scale
        self.zeros += point.zero_count
        for at, count in enumerate(point.positive.bucket_counts, point.positive.offset):
            self.bins[at] += count
        self.least = point.min if self.least is None else min(self.least, point.min)
        self.most = point.max if self.most is None else max(self.most, point.max)

    def quantile_ms(self, q):
        """The duration at index floor(q * (n - 1)) of all sorted: the middle of its bin, within 1.1 %."""
        count = self.zeros + sum(self.bins.values())
        if count == 0:
            return None
        rank = int(q * (count - 1))
        seen = self.zeros
        if rank < seen:
            return 0.0
        for at in sorted(self.bins):
            seen += self.bins[at]
            if rank < seen:
                low, high = 2 ** (at / 32), 2 ** ((at + 1) / 32)
                return min(max(2 * low * high / (low + high), self.least), self.most)

    def as_json(self):
        quantiles = {f"p{round(q * 100)}_ms": self.quantile_ms(q) for q in (0.5, 0.9, 0.95, 0.99)}
        return {"rows": self.rows, "events": self.events, "errors": self.errors, **quantiles, "unique_users": round(self.users.get_estimate())}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("services", nargs="+")
    arguments.add_argument("--endpoint", default="*", help="as the rows name it; * is all of a service's")
    arguments.add_argument("--resolution", choices=["1m", "1h", "1d"], default="1m")
    arguments.add_argument("--since", type=int, default=60, help="minutes")
    arguments = arguments.parse_args()
    table = boto3.resource("dynamodb").Table(os.environ.get("WEIR_STACK", "weir") + "-rollups")
    end = datetime.now(timezone.utc)
    begin = end - timedelta(minutes=arguments.since)
    merged = Merged()
    for service in arguments.services:
        for row in rows(table, service, arguments.endpoint, arguments.resolution, begin, end):
            merged.add(row)
    print(json.dumps(merged.as_json(), indent=2))


if __name__ == "__main__":
    main()
