"""Writes rollups as NDJSON, a row a line, to a file or an object that SQL engines read.

    export.py --resolution 1h rollups.ndjson
    export.py --resolution 1d s3://my-bucket/weir/rollups.ndjson.gz

The whole table is read: for a large one, DynamoDB's own export to S3 (point in time, no read capacity) is the better way.
"""

import argparse
import base64
import gzip
import json
import os
from decimal import Decimal

import boto3


def plain(value):
    """A DynamoDB value as JSON: numbers as numbers, bytes as base64."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return base64.b64encode(bytes(value)).decode()


def rows(table, resolution):
    request = {"FilterExpression": "resolution = :r", "ExpressionAttributeValues": {":r": resolution}}
    while True:
        page = table.scan(**request)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--resolution", choices=["1m", "1h", "1d"], default="1m")
    arguments.add_argument("--sketches", action="store_true", help="with histograms and sketches, as base64")
    arguments.add_argument("to", help="a file or s3://bucket/key; .gz compresses")
    arguments = arguments.parse_args()
    table = boto3.resource("dynamodb").Table(os.environ.get("WEIR_STACK", "weir") + "-rollups")
    lines = []
    for row in rows(table, arguments.resolution):
        if not arguments.sketches:
            row.pop("duration_histogram", None)
            row.pop("users_sketch", None)
        lines.append(json.dumps(row, default=plain, sort_keys=True) + "\n")
    data = "".join(lines).encode()
    data = gzip.compress(data) if arguments.to.endswith(".gz") else data
    if arguments.to.startswith("s3://"):
        bucket, _, key = arguments.to[len("s3://") :].partition("/")
        boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=data)
    else:
        with open(arguments.to, "wb") as file:
            file.write(data)
    print(f"{len(lines)} rows")


if __name__ == "__main__":
    main()
