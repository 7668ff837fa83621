//! Makes the lookups of a window at the same time, each aspect of an entity once.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::metadata::{Aspect, Name, Urn, model};
use crate::transform::{Found, Graph, Lookup};

/// Lookups that are in flight at the same time.
const MAX_IN_FLIGHT: usize = 16;

/// Results that are kept for later windows.
const MAX_KEPT: usize = 10_000;

/// The results of lookups.
#[derive(Default)]
pub(super) struct LookupCache {
    found: Found,
}

type Answer = (Urn, Vec<&'static str>, Result<Vec<Option<Aspect>>, Arc<str>>);

impl LookupCache {
    pub(super) fn found(&self) -> &Found {
        &self.found
    }

    pub(super) fn set_now(&mut self, now: Timestamp) {
        self.found.set_now_ms(now.as_millisecond());
    }

    /// Makes those of `lookups` whose results are not known. Without a server nothing is looked up.
    pub(super) async fn look_up(&mut self, lookups: Vec<Lookup>, graph: Option<&Arc<dyn Graph>>) {
        let Some(graph) = graph else { return };
        if lookups.is_empty() {
            return;
        }
        if self.found.len() > MAX_KEPT {
            self.found.clear();
        }
        let mut missing: BTreeMap<Urn, Vec<&'static str>> = BTreeMap::new();
        for lookup in lookups.into_iter().filter(|lookup| !self.found.contains(lookup)) {
            let names = missing.entry(lookup.entity).or_default();
            if !names.contains(&lookup.aspect_name) {
                names.push(lookup.aspect_name);
            }
        }
        let mut missing = missing.into_iter();
        let mut in_flight = JoinSet::new();
        loop {
            while in_flight.len() < MAX_IN_FLIGHT
                && let Some((entity, names)) = missing.next()
            {
                in_flight.spawn(ask(Arc::clone(graph), entity, names));
            }
            match in_flight.join_next().await {
                None => return,
                Some(Ok(answer)) => self.keep(answer),
                // A lookup that has panicked: its aspects count as absent, as without a server.
                Some(Err(error)) => tracing::error!(%error, "a lookup has failed"),
            }
        }
    }

    fn keep(&mut self, (entity, names, answer): Answer) {
        match answer {
            Ok(aspects) => {
                let aspects = aspects.into_iter().chain(std::iter::repeat(None));
                for (name, aspect) in names.into_iter().zip(aspects) {
                    self.found.insert(Lookup::new(&entity, name), Ok(aspect));
                }
            }
            Err(message) => {
                for name in names {
                    self.found.insert(Lookup::new(&entity, name), Err(Arc::clone(&message)));
                }
            }
        }
    }
}

async fn ask(graph: Arc<dyn Graph>, entity: Urn, names: Vec<&'static str>) -> Answer {
    let interned: Vec<Name> = names.iter().map(|name| model::intern(name)).collect();
    let answer = graph.aspects(&entity, &interned).await;
    (entity, names, answer.map_err(|error| Arc::from(error.full_message())))
}
