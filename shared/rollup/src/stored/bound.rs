//! How many bytes a series takes at most, whoever encodes it.

use super::SeriesKey;
use crate::Rollup;
use crate::users::State;

/// Whatever else a series has: lengths, touches, its durations' sum, minimum and maximum. Bytes.
const SERIES_BYTES: usize = 64;
/// A status or a bin, with its count. Bytes.
const COUNT_BYTES: usize = 8;
/// A user, while there are few. Bytes.
const COUPON_BYTES: usize = 4;
/// All users, when there are many: 4,096 registers of 6 bits. Bytes.
const REGISTERS_BYTES: usize = 3_072;
/// What stands around all series of an item. Bytes.
pub const ITEM_BYTES: usize = 64;

/// Most bytes that a series of one event takes beside its names: status, bin, user.
pub const EVENT_BYTES: usize = SERIES_BYTES + 2 * COUNT_BYTES + COUPON_BYTES;

/// Most bytes that `rollup` takes in an item under `key`, beside [`ITEM_BYTES`] for them all.
///
/// A function of names and counts alone, the same for ever: whether a record is too large to keep its series apart
/// is decided by it, and that must not depend on how well some version of an encoder compresses, or on what else is in
/// the item. (A larger body can be encoded in fewer bytes: zstd promises no order.)
pub fn bytes_max(key: &SeriesKey, rollup: &Rollup) -> usize {
    let statuses = rollup.statuses().len();
    let bins = rollup.durations().map_or(0, |durations| durations.histogram().bins().count());
    let users = match rollup.users().state() {
        State::Coupons(coupons) => coupons.len() * COUPON_BYTES,
        State::Registers(_) => REGISTERS_BYTES,
    };
    SERIES_BYTES + key.service.len() + key.endpoint.len() + (statuses + bins) * COUNT_BYTES + users
}
