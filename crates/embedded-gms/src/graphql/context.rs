//! The context of the resolvers.

use crate::authorization::Permissions;
use crate::state::ServerState;
use std::sync::Arc;

/// The longest list in a response, whatever the request says.
pub(super) const MAX_LISTED: i32 = 10_000;

/// The caller of a request.
pub(super) struct Caller {
    pub(super) server: Arc<ServerState>,
    pub(super) permissions: Permissions,
}
