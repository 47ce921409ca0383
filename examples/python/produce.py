"""Sends NDJSON telemetry, one event a line, to weir's stream or queue.

    produce.py --to sqs access.ndjson
    tail -f access.ndjson | produce.py --to kinesis -

Several lines make one record or message: that is what keeps the cost down. What the service refuses goes again, what it
took does not. Each line is sent as it is; weir decides what it counts.
"""

import argparse
import hashlib
import os
import random
import sys
import time

import boto3
from botocore.config import Config

LINES_MAX = 100  # to a record or message
BYTES_MAX = 25_000  # of a record or message: Kinesis bills by 25 KB, and 10 messages of it fit a request
ATTEMPTS_MAX = 10
PAUSE_MAX_S = 5.0


def payloads(lines):
    """Lines together, a payload at a time, with the number of the first."""
    held, size, first = [], 0, 0
    for number, line in enumerate(lines):
        line = line.rstrip(b"\r\n")
        if not line:
            continue
        if held and (len(held) == LINES_MAX or size + len(line) > BYTES_MAX):
            yield first, b"\n".join(held)
            held, size = [], 0
        if not held:
            first = number
        held.append(line)
        size += len(line) + 1
    if held:
        yield first, b"\n".join(held)


def chunks(items, length):
    held = []
    for item in items:
        held.append(item)
        if len(held) == length:
            yield held
            held = []
    if held:
        yield held


def deliver(entries, send):
    """Sends entries, and again those that `send` gives back as refused, with growing pauses."""
    for attempt in range(ATTEMPTS_MAX):
        entries = send(entries)
        if not entries:
            return
        time.sleep(random.uniform(0, min(PAUSE_MAX_S, 0.1 * 2**attempt)))
    raise SystemExit(f"produce.py: {len(entries)} entries were still refused after {ATTEMPTS_MAX} attempts")


def to_kinesis(stream, lines):
    # A request whose answer was lost may have been done, and put again its records are new records, which count again. So the
    # SDK must not repeat whole requests; records that Kinesis says it refused go again. Who must survive lost answers without
    # a double count sends to the queue.
    kinesis = boto3.client("kinesis", config=Config(retries={"total_max_attempts": 1}))

    def put(records):
        answer = kinesis.put_records(StreamName=stream, Records=records)
        return [record for record, done in zip(records, answer["Records"]) if "ErrorCode" in done]

    # Keys only spread the records over the shards.
    records = ({"Data": payload, "PartitionKey": str(random.random())} for _, payload in payloads(lines))
    for batch in chunks(records, 200):  # 5 MB a request
        deliver(batch, put)


def to_sqs(queue, source, lines):
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]

    def send(messages):
        failed = sqs.send_message_batch(QueueUrl=url, Entries=messages).get("Failed", [])
        for failure in failed:
            if failure["SenderFault"]:
                raise SystemExit(f"produce.py: SQS refuses a message for good: {failure['Code']}: {failure.get('Message', '')}")
        again = {failure["Id"] for failure in failed}
        return [message for message in messages if message["Id"] in again]

    def message(at, first, payload):
        # The same lines of the same source have the same id, in the next attempt and in the next run: they count once. The
        # content is part of it, because one id for two bodies is refused.
        digest = hashlib.sha256(payload).hexdigest()[:32]
        own = {"DataType": "String", "StringValue": f"{source}:{first}:{digest}"[-256:]}
        return {"Id": str(at), "MessageBody": payload.decode(), "MessageAttributes": {"weir-id": own}}

    for batch in chunks(payloads(lines), 10):
        deliver([message(at, first, payload) for at, (first, payload) in enumerate(batch)], send)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--to", choices=["kinesis", "sqs"], required=True)
    arguments.add_argument("--source", help="names the lines in weir-id; the file's path otherwise")
    arguments.add_argument("file", help="- is standard input")
    arguments = arguments.parse_args()
    name = os.environ.get("WEIR_STACK", "weir") + "-telemetry"
    source = arguments.source or os.path.abspath(arguments.file)
    if arguments.file == "-" and arguments.to == "sqs" and not arguments.source:
        raise SystemExit("produce.py: name standard input with --source, so that sent again it counts once")
    lines = sys.stdin.buffer if arguments.file == "-" else open(arguments.file, "rb")
    with lines:
        if arguments.to == "kinesis":
            to_kinesis(name, lines)
        else:
            to_sqs(name, source, lines)


if __name__ == "__main__":
    main()
