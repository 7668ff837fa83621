//! `GET /`: a description of the server for people.

use std::sync::Arc;

use crate::state::ServerState;
use axum::extract::State;

pub(super) async fn show(State(server): State<Arc<ServerState>>) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let authentication = if server.authentication.enabled() { "on" } else { "off" };
    format!(
        "This is the GMS in the box of datahub-emitter {version}, for first runs and for tests: no DataHub, and no place \
         to keep metadata.\n\n\
         Metadata service authentication is {authentication}.\n\n\
         /config            what it can do\n\
         /health            whether it is ready\n\
         /aspects, /entities, /entitiesV2, /runs     Rest.li\n\
         /openapi/v3/entity                          OpenAPI\n\
         /api/graphql                                tokens, by GraphQL\n\
         /requests                                   what arrived, for the administrator\n"
    )
}
