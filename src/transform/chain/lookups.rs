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

/// The bytes of their aspects: schemas may have hundreds of kilobytes each.
const MAX_KEPT_BYTES: usize = 4 << 20;

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
        if self.found.len() > MAX_KEPT || self.found.bytes() > MAX_KEPT_BYTES {
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
                // Stays if the lookup panics: an aspect that is only unknown must not count as absent.
                for name in &names {
                    self.found.insert(Lookup::new(&entity, name), Err(Arc::from("it ended unexpectedly")));
                }
                in_flight.spawn(ask(Arc::clone(graph), entity, names));
            }
            match in_flight.join_next().await {
                None => return,
                Some(Ok(answer)) => self.keep(answer),
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::Error;
    use crate::box_future::BoxFuture;

    /// A server that has one large aspect for every entity, and panics about the entity `panics`.
    #[derive(Default)]
    struct Large {
        lookups: AtomicUsize,
        size: usize,
    }

    impl Graph for Large {
        fn aspects<'a>(
            &'a self,
            entity: &'a Urn,
            names: &'a [Name],
        ) -> BoxFuture<'a, Result<Vec<Option<Aspect>>, Error>> {
            self.lookups.fetch_add(1, Ordering::Relaxed);
            assert_ne!(entity.key(), "panics");
            let aspect = Aspect::from(serde_json::json!("x".repeat(self.size)));
            Box::pin(std::future::ready(Ok(vec![Some(aspect); names.len()])))
        }

        fn domain_named<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<Option<Urn>, Error>> {
            Box::pin(std::future::ready(Ok(None)))
        }
    }

    fn lookup(name: &str) -> Lookup {
        Lookup::new(&Urn::parse(&format!("urn:li:tag:{name}")).unwrap(), "tagProperties")
    }

    #[tokio::test]
    async fn a_lookup_that_panics_is_a_failure_and_not_an_absent_aspect() {
        let graph: Arc<dyn Graph> = Arc::new(Large::default());
        let mut cache = LookupCache::default();
        cache.look_up(vec![lookup("panics"), lookup("a")], Some(&graph)).await;
        let found =
            |name| cache.found().aspect(&lookup(name).entity, "tagProperties").map(|found| found.is_some());
        assert!(found("panics").is_err());
        assert!(found("a").unwrap());
    }

    #[tokio::test]
    async fn results_are_kept_for_later_windows_within_the_bound_of_bytes() {
        let large = Arc::new(Large { size: MAX_KEPT_BYTES / 8, ..Large::default() });
        let graph: Arc<dyn Graph> = Arc::clone(&large) as Arc<dyn Graph>;
        let mut cache = LookupCache::default();
        for window in 0..100 {
            let lookups = vec![lookup("again"), lookup(&format!("t{window}"))];
            cache.look_up(lookups, Some(&graph)).await;
            assert!(cache.found().bytes() < 2 * MAX_KEPT_BYTES);
            assert!(cache.found().aspect(&lookup("again").entity, "tagProperties").unwrap().is_some());
        }
        let lookups = large.lookups.load(Ordering::Relaxed);
        assert!(
            (101..150).contains(&lookups),
            "{lookups} lookups: 100 of the windows, and few of the one in all"
        );
    }
}
