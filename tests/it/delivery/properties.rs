//! Do order, limits and counts hold under random failures?

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;

use proptest::prelude::*;

use crate::support::emitting::{emitter, proposal};
use crate::support::scripted_gms::{Request, Response, ScriptedGms};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// For random proposals over few URNs and random failures: order per URN, no URN in two requests at once,
    /// one outcome for every proposal, limits observed.
    #[test]
    fn order_limits_and_counts_hold_whatever_happens(
        urns in proptest::collection::vec(0..12_usize, 1..250),
        faults in proptest::collection::vec(0..8_u8, 1..60),
        threads in 1..6_usize,
        per_batch in 1..40_usize,
        bytes in 600..6_000_usize,
    ) {
        runtime().block_on(async {
            let next = AtomicU32::new(0);
            let accepted: Mutex<Vec<(String, String)>> = Mutex::default();
            let accepted = std::sync::Arc::new(accepted);
            let log = std::sync::Arc::clone(&accepted);
            let gms = ScriptedGms::start(move |request: &Request| {
                let number = next.fetch_add(1, SeqCst) as usize;
                // Failures end, so that the run can end.
                let fault = faults.get(number).copied().unwrap_or(7);
                match fault {
                    0 => Response::Status(503, String::new()),
                    // Each slows down the requests after it, so there are few.
                    1 if number < 10 => Response::WithHeaders(429, String::new(), "Retry-After: 0\r\n"),
                    2 => Response::Reset,
                    3 => Response::Cut,
                    _ => {
                        log.lock().unwrap().extend(request.proposals());
                        Response::ok()
                    }
                }
            });
            let emitter = emitter(&gms)
                .max_in_flight_requests(threads)
                .max_per_batch(per_batch)
                .max_batch_bytes(bytes)
                .max_pending_proposals(64)
                .build()
                .unwrap();
            for (number, urn) in urns.iter().enumerate() {
                drop(emitter.emit(proposal(*urn, &format!("a{number:05}"), "x")).await);
            }
            let counts = emitter.close(None).await;
            prop_assert_eq!(counts.emitted, urns.len() as u64);
            prop_assert_eq!(counts.delivered, urns.len() as u64);
            prop_assert_eq!(gms.collisions(), Vec::<String>::new());
            for write in gms.writes() {
                let proposals = write.proposals();
                prop_assert!(proposals.len() <= per_batch);
                prop_assert!(proposals.len() == 1 || write.body.len() <= bytes, "{} bytes", write.body.len());
            }
            let mut by_urn: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (urn, aspect) in accepted.lock().unwrap().iter() {
                by_urn.entry(urn.clone()).or_default().push(aspect.clone());
            }
            for (urn, aspects) in by_urn {
                prop_assert!(aspects.is_sorted(), "{} arrived in the order {:?}", urn, aspects);
            }
            prop_assert_eq!(accepted.lock().unwrap().len(), urns.len());
            Ok(())
        })?;
    }

    /// Bad proposals are rejected with any status, and the others are delivered in order.
    #[test]
    fn only_bad_proposals_are_rejected(
        urns in proptest::collection::vec(0..15_usize, 1..200),
        bad in proptest::collection::btree_map(0..200_usize, prop_oneof![Just(400_u16), Just(413), Just(422)], 0..12),
        threads in 1..5_usize,
        per_batch in 1..50_usize,
    ) {
        runtime().block_on(async {
            let accepted = std::sync::Arc::new(Mutex::new(Vec::new()));
            let log = std::sync::Arc::clone(&accepted);
            let bad_numbers = bad.clone();
            let gms = ScriptedGms::start(move |request: &Request| {
                let proposals = request.proposals();
                let number = |aspect: &str| aspect[1..].parse::<usize>().unwrap_or(usize::MAX);
                let found = proposals.iter().find_map(|(_, aspect)| bad_numbers.get(&number(aspect)).copied());
                if let Some(status) = found {
                    return Response::Status(status, r#"{"message":"no"}"#.into());
                }
                log.lock().unwrap().extend(proposals);
                Response::ok()
            });
            let emitter = emitter(&gms).max_in_flight_requests(threads).max_per_batch(per_batch).build().unwrap();
            for (number, urn) in urns.iter().enumerate() {
                drop(emitter.emit(proposal(*urn, &format!("a{number:05}"), "x")).await);
            }
            let counts = emitter.close(None).await;
            let rejected = bad.keys().filter(|number| **number < urns.len()).count() as u64;
            if emitter.stop_reason().is_some() {
                // None of the first proposals was accepted, so the run was stopped.
                prop_assert!(counts.delivered <= urns.len() as u64 - rejected && counts.rejected <= rejected);
                prop_assert!(rejected > 0 && counts.undelivered > 0);
            } else {
                prop_assert_eq!((counts.rejected, counts.undelivered), (rejected, 0));
                prop_assert_eq!(counts.delivered, urns.len() as u64 - rejected);
            }
            prop_assert_eq!(gms.collisions(), Vec::<String>::new());
            let accepted = accepted.lock().unwrap();
            for urn in 0..15 {
                let urn = format!("urn:li:tag:t{urn}");
                let aspects: Vec<_> = accepted.iter().filter(|(of, _)| *of == urn).map(|(_, aspect)| aspect).collect();
                prop_assert!(aspects.is_sorted(), "{} arrived in the order {:?}", urn, aspects);
            }
            Ok(())
        })?;
    }
}
