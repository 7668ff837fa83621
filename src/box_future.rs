//! Futures of plugin traits.

use std::future::Future;
use std::pin::Pin;

/// A future on the heap: the return type of the asynchronous methods of plugin traits, which must be
/// object-safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
