// Sends NDJSON telemetry, one event a line, from standard input:
//
//     node produce.mjs kinesis < access.ndjson
//     node produce.mjs sqs my-app-2026-11-21 < access.ndjson
//
// Many lines make one record or message. What is refused goes again; what was taken does not.

import { createHash, randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { KinesisClient, PutRecordsCommand } from "@aws-sdk/client-kinesis";
import { GetQueueUrlCommand, SendMessageBatchCommand, SQSClient } from "@aws-sdk/client-sqs";

const LINES_MAX = 100; // to a record or message
const BYTES_MAX = 25_000; // of a record or message
const ATTEMPTS_MAX = 10;
const NAME = `${process.env.WEIR_STACK ?? "weir"}-telemetry`;

/** Lines together, with the number of the first. */
async function* payloads(input) {
  let held = [], bytes = 0, first = 0, number = 0;
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    const length = Buffer.byteLength(line) + 1;
    if (held.length && (held.length === LINES_MAX || bytes + length > BYTES_MAX)) {
      yield { first, text: held.join("\n") };
      held = [];
      bytes = 0;
    }
    if (!held.length) first = number;
    number += 1;
    if (!line) continue;
    held.push(line);
    bytes += length;
  }
  if (held.length) yield { first, text: held.join("\n") };
}

async function* chunks(items, length) {
  let held = [];
  for await (const item of items) {
    held.push(item);
    if (held.length === length) {
      yield held;
      held = [];
    }
  }
  if (held.length) yield held;
}

/** Sends entries, and again those that `send` gives back as refused, with growing pauses. */
async function deliver(entries, send) {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    entries = await send(entries);
    if (!entries.length) return;
    await new Promise((done) => setTimeout(done, Math.random() * Math.min(5000, 100 * 2 ** attempt)));
  }
  throw new Error(`${entries.length} entries were still refused after ${ATTEMPTS_MAX} attempts`);
}

async function toKinesis() {
  // A request whose answer was lost may have been done, and put again its records would count again: one attempt each, and
  // only the records that Kinesis says it refused go again.
  const kinesis = new KinesisClient({ maxAttempts: 1 });
  const put = async (Records) => {
    const answer = await kinesis.send(new PutRecordsCommand({ StreamName: NAME, Records }));
    return Records.filter((_, at) => answer.Records[at].ErrorCode);
  };
  for await (const batch of chunks(payloads(process.stdin), 200)) {
    await deliver(batch.map(({ text }) => ({ Data: Buffer.from(text), PartitionKey: randomUUID() })), put);
  }
}

async function toSqs(source) {
  const sqs = new SQSClient({});
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: NAME }));
  const send = async (Entries) => {
    const { Failed = [] } = await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
    const refused = Failed.find((failure) => failure.SenderFault);
    if (refused) throw new Error(`SQS refuses a message for good: ${refused.Code}: ${refused.Message ?? ""}`);
    const again = new Set(Failed.map((failure) => failure.Id));
    return Entries.filter((entry) => again.has(entry.Id));
  };
  // The same lines of the same source have the same weir-id, in the next attempt and in the next run: they count once.
  const weirId = ({ first, text }) => {
    const digest = createHash("sha256").update(text).digest("hex").slice(0, 32);
    return { "weir-id": { DataType: "String", StringValue: `${source}:${first}:${digest}`.slice(-256) } };
  };
  for await (const batch of chunks(payloads(process.stdin), 10)) {
    const entries = batch.map((payload, at) => ({
      Id: String(at),
      MessageBody: payload.text,
      MessageAttributes: weirId(payload),
    }));
    await deliver(entries, send);
  }
}

const [to, source] = process.argv.slice(2);
if (to === "kinesis") await toKinesis();
else if (to === "sqs" && source) await toSqs(source);
else {
  console.error("usage: produce.mjs kinesis | produce.mjs sqs SOURCE, which names the lines");
  process.exit(2);
}
