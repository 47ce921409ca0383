"""Sends the lines of a log as they are: every other one as a Kinesis record, the rest to SQS, several to a message."""

import os
import random
import sys
import time
import uuid
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

RECORDS_PER_PUT = 500
LINES_PER_MESSAGE = 50
MESSAGES_PER_SEND = 10
ATTEMPTS_MAX = 12


def chunks(items, size):
    return [items[start : start + size] for start in range(0, len(items), size)]


def deliver(batches, send):
    """Sends each batch, then again what the service did not take; `send` returns that. Counts what went again."""
    again = 0
    for batch in batches:
        for attempt in range(ATTEMPTS_MAX):
            batch = send(batch)
            if not batch:
                break
            again += len(batch)
            time.sleep(random.uniform(0, min(3.0, 0.1 * 2**attempt)))
        else:
            sys.exit(f"{len(batch)} entries not taken after {ATTEMPTS_MAX} attempts")
    return again


def to_kinesis(stream, lines):
    # A put whose answer was lost may have happened. weir counts once what Kinesis delivers twice, but what is put
    # twice is two records: so boto3 must not repeat a whole request, and losing an answer ends this program.
    kinesis = boto3.client("kinesis", config=Config(retries={"total_max_attempts": 1}))

    def put(records):
        answer = kinesis.put_records(StreamName=stream, Records=records)
        return [record for record, result in zip(records, answer["Records"]) if "ErrorCode" in result]

    records = [{"Data": line, "PartitionKey": str(number)} for number, line in enumerate(lines)]
    return len(records), deliver(chunks(records, RECORDS_PER_PUT), put)


def to_sqs(queue, lines):
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    run = uuid.uuid4()

    def send(messages):
        answer = sqs.send_message_batch(QueueUrl=url, Entries=messages)
        failed = {failure["Id"]: failure for failure in answer.get("Failed", [])}
        for failure in failed.values():
            if failure["SenderFault"]:
                sys.exit(f"SQS refused a message: {failure['Code']}: {failure.get('Message', '')}")
        return [message for message in messages if message["Id"] in failed]

    messages = [
        {
            "Id": str(number),
            "MessageBody": b"\n".join(body).decode(),
            # Sent twice, a message counts once under this id: here repeating a request is safe.
            "MessageAttributes": {"weir-id": {"DataType": "String", "StringValue": f"{run}-{number}"}},
        }
        for number, body in enumerate(chunks(lines, LINES_PER_MESSAGE))
    ]
    return len(messages), deliver(chunks(messages, MESSAGES_PER_SEND), send)


def main(log, stack):
    lines = Path(log).read_bytes().splitlines()
    begun = time.monotonic()
    records, records_again = to_kinesis(f"{stack}-telemetry", lines[0::2])
    messages, messages_again = to_sqs(f"{stack}-telemetry", lines[1::2])
    seconds = time.monotonic() - begun
    print(f"Kinesis  {len(lines[0::2]):>7} lines in {records} records ({records_again} refused at first, put again)")
    print(f"SQS      {len(lines[1::2]):>7} lines in {messages} messages ({messages_again} refused at first, sent again)")
    print(f"sent in  {seconds:>7.1f} s", flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1], os.environ.get("WEIR_STACK", "weir"))
    except (BotoCoreError, ClientError) as error:
        sys.exit(str(error))
