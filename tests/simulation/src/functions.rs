//! Lambda: environments of two versions, and invocations that end, fail, time out or die.

use crate::client::Client;
use crate::rules::Rule;
use crate::seen::Seen;
use crate::world::{World, lock};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use weir_exact::compact::{CompactSettings, Compactor};
use weir_exact::epochs::Epochs;
use weir_exact::fenced::FencedLane;
use weir_exact::finalize::{FinalizeSettings, Finalizer};
use weir_exact::layout::Layout;
use weir_exact::ports::StoreError;
use weir_telemetry::{Epoch, EpochTable, EpochView, Millis};

/// Every function's timeout, milliseconds.
pub(crate) const TIMEOUT_MS: i64 = 30_000;
/// A function begins no write when its time is up but for this, milliseconds.
const MARGIN_MS: i64 = 6_000;
/// And reads no object when it is up but for this, milliseconds.
const READING_MARGIN_MS: i64 = 12_000;

/// An environment of a function: what it keeps from one invocation to the next.
pub(crate) struct Environment<E> {
    pub(crate) name: Arc<str>,
    pub(crate) version: u32,
    pub(crate) inner: E,
}

/// What `kinesis-rollup` keeps.
pub(crate) struct StreamFunction {
    pub(crate) lane: FencedLane<Client>,
    pub(crate) rules: Rules,
}

/// What `sqs-rollup`, `s3-rollup` and `quarantine-replay` keep.
pub(crate) struct LedgerFunction {
    pub(crate) client: Client,
    pub(crate) rules: Rules,
}

/// The epoch table as an environment reads it, by the version of its code.
pub(crate) struct Rules {
    epochs: Epochs<Client>,
    client: Client,
}

impl Rules {
    pub(crate) fn new(client: &Client) -> Self {
        Self { epochs: Epochs::new(client.clone(), "live"), client: client.clone() }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) async fn view(&self, now: Millis) -> Result<(Arc<EpochView>, Layout), StoreError> {
        let view = self.epochs.view(now).await?;
        let mut generation = view.generation().clone();
        // The lanes of a generation are fixed. That deduplication looks across them all is the second line.
        generation.lanes += (self.client.version - 1) as u16;
        let layout = Layout::new("live", generation);
        let (world, table, decoders) = (lock(&self.client.world), view.table(), self.decoders());
        let vouched_for_ever = Millis(i64::MAX / 2);
        let seen = match world.state.left_out {
            Some(Rule::StaleEpochRefused) => EpochView::implementing(table.clone(), vouched_for_ever, decoders),
            Some(Rule::EpochDecides) => {
                let all = world.state.epochs().epochs;
                let own = Epoch { decoder: 1, ..all.get(self.client.version as usize - 1).unwrap_or(&all[0]).clone() };
                let table = EpochTable { epochs: vec![own], ..table.clone() };
                EpochView::implementing(table, vouched_for_ever, decoders)
            }
            _ => EpochView::implementing(table.clone(), view.read_at(), decoders),
        };
        Ok((Arc::new(seen), layout))
    }

    /// The first version does not know the second decoder. To the second they are the same: what it must not do is guess.
    fn decoders(&self) -> &'static [u32] {
        if self.client.version == 1 { &[1] } else { &[1, 2] }
    }
}

/// Idle environments of every function.
#[derive(Default)]
pub(crate) struct Fleet {
    pub(crate) stream: Pool<StreamFunction>,
    pub(crate) queue: Pool<LedgerFunction>,
    pub(crate) landing: Pool<LedgerFunction>,
    pub(crate) replay: Pool<LedgerFunction>,
    pub(crate) finalize: Pool<Finalizer<Client, Client>>,
    pub(crate) compact: Pool<Compactor<Client, Client>>,
}

/// Idle environments of one function.
pub(crate) struct Pool<E> {
    idle: Vec<Arc<Environment<E>>>,
    made: u32,
}

impl<E> Default for Pool<E> {
    fn default() -> Self {
        Self { idle: vec![], made: 0 }
    }
}

/// Which pool of the fleet.
pub(crate) type PoolOf<E> = fn(&mut Fleet) -> &mut Pool<E>;

/// An environment for an invocation: an idle one of the version that the alias chose, or a fresh one.
pub(crate) fn environment<E>(
    world: &mut World,
    function: &str,
    pool: PoolOf<E>,
    make: impl FnOnce(&World, Client) -> E,
) -> Option<Arc<Environment<E>>> {
    let version = 1 + u32::from(world.choices.happens(world.weather.second_version));
    let fresh = world.choices.happens(world.weather.fresh_environment);
    let idle = &mut pool(&mut world.state.fleet).idle;
    if let Some(place) = idle.iter().rposition(|environment| environment.version == version)
        && !fresh
    {
        return Some(idle.swap_remove(place));
    }
    let made = &mut pool(&mut world.state.fleet).made;
    *made += 1;
    let name: Arc<str> = format!("{function} v{version} #{made}").into();
    let client = Client { world: world.shared()?, name: name.clone(), version, far: false, attempts: 1 };
    let inner = make(world, client);
    Some(Arc::new(Environment { name, version, inner }))
}

/// What `kinesis-rollup` starts with.
pub(crate) fn stream_function(world: &World, client: Client) -> StreamFunction {
    let rules = Rules::new(&client);
    StreamFunction { lane: FencedLane::new(client, world.state.settings.fenced), rules }
}

/// What `sqs-rollup`, `s3-rollup` and `quarantine-replay` start with.
pub(crate) fn ledger_function(_: &World, client: Client) -> LedgerFunction {
    LedgerFunction { rules: Rules::new(&client), client }
}

/// What `rollup-finalize` starts with.
pub(crate) fn finalize_function(world: &World, client: Client) -> Finalizer<Client, Client> {
    let series_per_window_max = world.state.settings.series_per_window_max;
    let settings = FinalizeSettings { series_per_window_max, ..FinalizeSettings::default() };
    Finalizer::new(client.clone(), client, world.state.layout.clone(), settings)
}

/// What `rollup-compact` starts with.
///
/// A computation takes some hundred requests: without the SDK's retries it would hardly ever succeed in bad weather.
pub(crate) fn compact_function(world: &World, client: Client) -> Compactor<Client, Client> {
    let client = Client { attempts: 4, ..client };
    Compactor::new(client.clone(), client, world.state.layout.clone(), CompactSettings::default())
}

/// Invokes an environment. `done` hears once how it ended: with an answer, or none when it failed, ran out of time or
/// died; then the environment is gone.
pub(crate) fn invoke<E: Send + Sync + 'static, T: Send + 'static>(
    world: &mut World,
    environment: Arc<Environment<E>>,
    pool: PoolOf<E>,
    handler: impl Future<Output = Option<T>> + Send + 'static,
    done: impl FnOnce(&mut World, Option<T>) + Send + 'static,
) {
    let Some(shared) = world.shared() else { return };
    world.state.seen.once(Seen::Invocations);
    let done = Arc::new(Mutex::new(Some(done)));
    let end = move |world: &mut World, answer: Option<T>| {
        let done = done.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(done) = done {
            done(world, answer);
        }
    };
    let name = environment.name.clone();
    let ended = end.clone();
    let task = world.spawn(async move {
        let answer = handler.await;
        lock(&shared).after(1, move |world| {
            pool(&mut world.state.fleet).idle.push(environment);
            ended(world, answer);
        });
    });
    let die_after = |world: &mut World, ms: i64, how: Seen, what: &'static str| {
        let (end, name) = (end.clone(), name.clone());
        world.after(ms, move |world| {
            if world.kill(task) {
                world.state.seen.once(how);
                world.say(|| format!("{name}: {what}"));
                end(world, None);
            }
        });
    };
    die_after(world, TIMEOUT_MS, Seen::Timeouts, "timed out");
    if world.choices.happens(world.weather.crash) {
        let ms = world.choices.one_of(&[10, 40, 100, 200, 1_000]);
        let ms = world.choices.between(1, ms);
        die_after(world, ms, Seen::Crashes, "killed");
    }
}

/// Whether an invocation that began at `begun` may begin another write.
pub(crate) fn out_of_time(client: &Client, begun: Millis) -> bool {
    lock(&client.world).now.0 >= begun.0 + TIMEOUT_MS - MARGIN_MS
}

/// Whether an invocation that began at `begun` should read no more.
pub(crate) fn reading_is_over(client: &Client, begun: Millis) -> bool {
    lock(&client.world).now.0 >= begun.0 + TIMEOUT_MS - READING_MARGIN_MS
}

/// The time, as an invocation reads it.
pub(crate) fn now(client: &Client) -> Millis {
    lock(&client.world).now
}
