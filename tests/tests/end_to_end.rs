//! Traffic over real processes: every row equals what was sent, whatever happens on the way.
//!
//! One fleet for all steps, each under services of its own, so that no step can hide what another lost.

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use weir_aws::clock;
use weir_telemetry::Window;
use weir_tests::{Fleet, Oracle, Sent, found};

/// Made-up traffic of one step: the same for the same numbers.
struct Traffic {
    step: &'static str,
    made: u64,
    oracle: Oracle,
}

impl Traffic {
    fn new(step: &'static str) -> Self {
        Self { step, made: 0, oracle: Oracle::default() }
    }

    /// The next event: three services, four endpoints, statuses present or not, spread over four minutes.
    fn event(&mut self) -> Sent {
        let n = self.made;
        self.made += 1;
        let minute = Window::containing(clock::now()).start().plus(-60_000 * (1 + (n % 4) as i64)).to_string();
        let (endpoint, series_endpoint) = [
            (format!("/users/{n}"), "/users/{id}"),
            ("/login?next=%2F".to_owned(), "/login"),
            (format!("/users/{n}/orders/{n}"), "/users/{id}/orders/{id}"),
            ("Billing.Charge".to_owned(), "Billing.Charge"),
        ][(n / 3 % 4) as usize]
            .clone();
        let event = Sent {
            service: format!("{}-{}", self.step, n % 3),
            endpoint,
            series_endpoint: series_endpoint.to_owned(),
            status: [Some(200), Some(404), Some(503), None, Some(500)][(n % 5) as usize],
            duration_us: (!n.is_multiple_of(7)).then_some(n * 137 % 5_000_000),
            minute: minute[..16].to_owned(),
            second: (n % 60) as u8,
        };
        self.oracle.count(&event);
        event
    }

    fn json(&mut self) -> String {
        self.event().json()
    }

    /// Events in one payload: an array, or one a line.
    fn many(&mut self, count: usize, array: bool) -> String {
        let events: Vec<String> = (0..count).map(|_| self.json()).collect();
        if array { format!("[{}]", events.join(", ")) } else { events.join("\n") + "\n" }
    }

    /// One-event records under keys that reach every shard.
    async fn put_stream(&mut self, fleet: &Fleet, records: u64) {
        let records: Vec<_> = (0..records).map(|_| (format!("key-{}", self.made), self.json().into_bytes())).collect();
        for request in records.chunks(500) {
            fleet.put_records(request.to_vec()).await;
        }
    }

    async fn put_queue(&mut self, fleet: &Fleet, bodies: Vec<String>) {
        for request in bodies.chunks(10) {
            let entries = request.iter().enumerate().map(|(at, body)| {
                let entry = SendMessageBatchRequestEntry::builder().id(format!("m{at}")).message_body(body);
                entry.build().expect("id and body are set")
            });
            fleet.send_messages(entries.collect()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_equals_what_was_sent() {
    let fleet = Fleet::start().await;
    let mut sent = Oracle::default();

    let mut plain = Traffic::new("plain");
    plain_traffic(&fleet, &mut plain).await;
    let mut records = plain_records(&plain);
    settle(&fleet, &mut sent, plain).await;

    let mut killed = Traffic::new("killed");
    records += processors_killed(&fleet, &mut killed).await;
    settle(&fleet, &mut sent, killed).await;

    let mut split = Traffic::new("split");
    records += shard_split(&fleet, &mut split).await;
    settle(&fleet, &mut sent, split).await;

    let progress = found::progress(&fleet.dynamodb).await;
    assert_eq!(progress.len(), 4, "two shards, one of them split in two: {progress:?}");
    assert_eq!(progress.iter().map(|shard| shard.records).sum::<u64>(), records);
    assert_eq!(progress.iter().map(|shard| shard.rejected + shard.empty).sum::<u64>(), 0);
    assert!(found::quarantine(&fleet.s3).await.is_empty());
    fleet.assert_no_dead_letters().await;
    fleet.plane.shutdown().await;
}

/// Waits, and holds every row of this step and all before it against what was sent.
async fn settle(fleet: &Fleet, sent: &mut Oracle, traffic: Traffic) {
    fleet.settle().await;
    sent.rows.extend(traffic.oracle.rows);
    sent.events += traffic.oracle.events;
    fleet.assert_rows(sent).await;
}

/// One-event records, arrays and NDJSON, through the stream and the queue.
async fn plain_traffic(fleet: &Fleet, traffic: &mut Traffic) {
    traffic.put_stream(fleet, 400).await;
    let many = (0..20).map(|n| (format!("key-{n}"), traffic.many(25, n % 2 == 0).into_bytes()));
    fleet.put_records(many.collect::<Vec<_>>()).await;
    let mut bodies: Vec<String> = (0..50).map(|_| traffic.json()).collect();
    bodies.extend((0..10).map(|n| traffic.many(30, n % 2 == 0)).collect::<Vec<_>>());
    traffic.put_queue(fleet, bodies).await;
}

/// Stream records that [`plain_traffic`] sends.
fn plain_records(traffic: &Traffic) -> u64 {
    assert_eq!(traffic.oracle.events, 400 + 20 * 25 + 50 + 10 * 30);
    400 + 20
}

/// SIGKILL to every processor five times while one-event records flow.
async fn processors_killed(fleet: &Fleet, traffic: &mut Traffic) -> u64 {
    const KILLS: u64 = 5;
    const RECORDS: u64 = 1_000;
    let mut killed = 0;
    for _ in 0..KILLS {
        traffic.put_stream(fleet, RECORDS).await;
        let bodies = (0..20).map(|_| traffic.json()).collect();
        traffic.put_queue(fleet, bodies).await;
        let body = traffic.many(50, killed % 2 == 0);
        let key = format!("in/{}.json", traffic.made);
        let put = fleet.s3.put_object().bucket(Fleet::LANDING).key(key).body(body.into_bytes().into());
        put.send().await.expect("PutObject");
        killed += fleet.kill_processors().await;
    }
    traffic.put_stream(fleet, RECORDS).await;
    let functions = Fleet::INTAKE.len();
    assert!(killed >= functions * KILLS as usize, "{killed} processes killed");
    (KILLS + 1) * RECORDS
}

/// A shard is split while records flow: parents before children, every record once.
async fn shard_split(fleet: &Fleet, traffic: &mut Traffic) -> u64 {
    const RECORDS: u64 = 1_500;
    traffic.put_stream(fleet, RECORDS).await;
    let shards = fleet.kinesis.list_shards().stream_name(Fleet::STREAM).send().await.expect("shards").shards;
    let shard = &shards.as_ref().expect("shards")[0];
    let range = shard.hash_key_range.as_ref().expect("a range");
    let bound = |text: &str| text.parse::<u128>().expect("a hash key");
    let (from, to) = (bound(&range.starting_hash_key), bound(&range.ending_hash_key));
    let split = fleet.kinesis.split_shard().stream_name(Fleet::STREAM).shard_to_split(&shard.shard_id);
    split.new_starting_hash_key((from + (to - from) / 2).to_string()).send().await.expect("SplitShard");
    // The stream takes records all the while, to the parent first and then to its children.
    traffic.put_stream(fleet, RECORDS).await;
    active(fleet).await;
    traffic.put_stream(fleet, RECORDS).await;
    3 * RECORDS
}

/// Waits until the stream is ACTIVE again, as a producer's SDK would.
async fn active(fleet: &Fleet) {
    use aws_sdk_kinesis::client::Waiters as _;
    let waited = fleet.kinesis.wait_until_stream_exists().stream_name(Fleet::STREAM);
    waited.wait(std::time::Duration::from_secs(30)).await.expect("the stream becomes ACTIVE");
}
