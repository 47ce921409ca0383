//! The mergeable aggregate of a series in a window, and the status by which it counts.

use std::borrow::Cow;

use crate::{Durations, Inconsistent, User, UserSketch};
use smallvec::{SmallVec, smallvec};

/// An HTTP-style status of 0..=999, or unknown. Ordered by number, unknown last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Status(u16);

impl Status {
    /// The status of events that name none.
    pub const UNKNOWN: Self = Self(u16::MAX);
    /// The largest number a status can have.
    pub const NUMBER_MAX: u16 = 999;
    const ERROR_MIN: u16 = 500;

    /// A known status; none above [`NUMBER_MAX`](Self::NUMBER_MAX).
    pub fn new(number: u16) -> Option<Self> {
        (number <= Self::NUMBER_MAX).then_some(Self(number))
    }

    /// The number, unless unknown.
    pub fn number(self) -> Option<u16> {
        (self != Self::UNKNOWN).then_some(self.0)
    }

    /// Whether it counts as an error: known, and 500 or more.
    pub fn is_error(self) -> bool {
        self.number().is_some_and(|number| number >= Self::ERROR_MIN)
    }

    /// As rows name it: `200`, `unknown`.
    pub fn label(self) -> Cow<'static, str> {
        match self.0 {
            200 => Cow::Borrowed("200"), // nearly all of them
            _ if self == Self::UNKNOWN => Cow::Borrowed("unknown"),
            number => Cow::Owned(number.to_string()),
        }
    }
}

/// What a set of events comes down to. See the [crate] for its law.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Rollup {
    /// Ascending, no count of zero. A series has a handful, so a sorted vector beats a map; a message of one event has one.
    statuses: SmallVec<[(Status, u64); 1]>,
    durations: Option<Durations>,
    users: UserSketch,
}

impl Rollup {
    /// Rebuilds a rollup from stored or published parts, if some events can have had them.
    /// `statuses` must ascend and count at least one event each.
    pub fn from_parts(
        statuses: Vec<(Status, u64)>,
        durations: Option<Durations>,
        users: UserSketch,
    ) -> Result<Self, Inconsistent> {
        if !statuses.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(Inconsistent("statuses out of order"));
        }
        if statuses.iter().any(|&(_, n)| n == 0) {
            return Err(Inconsistent("a status of no event"));
        }
        let events = statuses.iter().try_fold(0u64, |sum, &(_, n)| sum.checked_add(n));
        let events = events.ok_or(Inconsistent("more events than can be counted"))?;
        if durations.as_ref().is_some_and(|durations| durations.count() > events) {
            return Err(Inconsistent("more durations than events"));
        }
        if users.events_min() > events {
            return Err(Inconsistent("more users than events"));
        }
        Ok(Self { statuses: statuses.into(), durations, users })
    }

    /// One event: [`Self::add`] to none.
    pub fn of(status: Status, duration_us: Option<u64>, user: Option<&[u8]>) -> Self {
        let users = user.and_then(User::of).map(UserSketch::of).unwrap_or_default();
        Self { statuses: smallvec![(status, 1)], durations: duration_us.map(Durations::of), users }
    }

    /// Counts one event: its status, its duration in microseconds and its user's UTF-8 bytes, the
    /// last two where it has them.
    pub fn add(&mut self, status: Status, duration_us: Option<u64>, user: Option<&[u8]>) {
        self.add_hashed(status, duration_us, user.and_then(User::of));
    }

    /// The same where the user is hashed already.
    pub fn add_hashed(&mut self, status: Status, duration_us: Option<u64>, user: Option<User>) {
        self.add_status(status, 1);
        match (&mut self.durations, duration_us) {
            (Some(durations), Some(us)) => durations.record(us),
            (none, Some(us)) => *none = Some(Durations::of(us)),
            (_, None) => {}
        }
        if let Some(user) = user {
            self.users.add_hashed(user);
        }
    }

    /// Adds all of `other`'s events. Associative and commutative; `Rollup::default()` is its
    /// identity.
    pub fn merge(&mut self, other: &Self) {
        for &(status, n) in &other.statuses {
            self.add_status(status, n);
        }
        match (&mut self.durations, &other.durations) {
            (Some(mine), Some(theirs)) => mine.merge(theirs),
            (none, Some(theirs)) => *none = Some(theirs.clone()),
            (_, None) => {}
        }
        self.users.merge(&other.users);
    }

    fn add_status(&mut self, status: Status, n: u64) {
        match self.statuses.binary_search_by_key(&status, |&(status, _)| status) {
            Ok(at) => self.statuses[at].1 = self.statuses[at].1.saturating_add(n),
            Err(at) => self.statuses.insert(at, (status, n)),
        }
    }

    /// What it takes in memory beside itself, bytes. Cheap enough to be asked for every event.
    pub fn heap_bytes(&self) -> usize {
        let statuses = if self.statuses.spilled() { self.statuses.capacity() * size_of::<(Status, u64)>() } else { 0 };
        statuses
            + self.durations.as_ref().map_or(0, |durations| durations.histogram().bytes())
            + self.users.heap_bytes()
    }

    /// All events.
    pub fn events(&self) -> u64 {
        self.count_where(|_| true)
    }

    /// Events whose status [is an error](Status::is_error).
    pub fn errors(&self) -> u64 {
        self.count_where(Status::is_error)
    }

    fn count_where(&self, wanted: impl Fn(Status) -> bool) -> u64 {
        let counts = self.statuses.iter().filter(|&&(status, _)| wanted(status));
        counts.fold(0, |sum, &(_, n)| sum.saturating_add(n))
    }

    /// Events by status, ascending, unknown last; none has a count of zero.
    pub fn statuses(&self) -> impl ExactSizeIterator<Item = (Status, u64)> + '_ {
        self.statuses.iter().copied()
    }

    /// How long the events took, if any had a duration.
    pub fn durations(&self) -> Option<&Durations> {
        self.durations.as_ref()
    }

    /// The users of the events that named one.
    pub fn users(&self) -> &UserSketch {
        &self.users
    }

    /// Whether no event was counted.
    pub fn is_empty(&self) -> bool {
        self.statuses.is_empty()
    }
}
