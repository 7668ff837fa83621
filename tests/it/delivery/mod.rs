//! Does every proposal reach GMS once, in order, in as few requests as possible?

mod batching;
mod cancellation;
mod lifecycle;
mod order;
mod properties;
mod refusal;
mod rejection;
mod server_errors;
mod services;
mod throttling;
