//! Reads objects of S3, many at once, within a budget of bytes.
//!
//! [`list`] names what stands below a prefix, all pages of it. [`Reader::open`] reads one object as a stream of
//! [`bytes::Bytes`]: a small one as it comes, a large one in ranges that are fetched in parallel and handed on in order.
//! A body that breaks is taken up where it broke, of the same content. [`Reader::read_all`] reads many, and says of each
//! what became of it: an error is never counted as a read.
//!
//! What is in flight is bounded by bytes, which come from the function's memory, and by a count. Both are given back as
//! the consumer takes what was read.
//!
//! Not here: what the bytes mean, retries of whole objects, anything of weir's protocol.

mod body;
mod error;
mod list;
mod many;
mod reader;
mod settings;

pub use error::{ReadError, ReadErrorKind};
pub use list::{Listed, Versions, list};
pub use many::{Outcome, Summary};
pub use reader::{Object, Reader, Wanted};
pub use settings::ReadSettings;
