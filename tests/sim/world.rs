//! A world: the input, the recipe and the faults, all drawn from one seed.

use std::fmt;

use serde_json::{Value, json};

use crate::fault::Fault;
use crate::random::Random;

/// Everything that a seed decides before the first run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) input: Vec<InputRecord>,
    pub(crate) sink: SinkSettings,
    pub(crate) faults: Vec<Fault>,
}

/// A record of the input file. Its number is its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputRecord {
    /// One proposal about an entity, with an aspect of about this number of bytes.
    Proposal { entity: u32, bytes: usize },
    /// Two proposals about an entity.
    Snapshot { entity: u32 },
    /// A proposal that GMS always answers with this status.
    Rejected { entity: u32, status: u16 },
    /// No JSON.
    Invalid,
    /// A record that the source ignores.
    Ignored,
}

/// The keys of the recipe's sink that differ between worlds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SinkSettings {
    pub(crate) mode: &'static str,
    pub(crate) endpoint: &'static str,
    pub(crate) max_threads: u64,
    pub(crate) max_per_batch: u64,
    pub(crate) max_pending_requests: u64,
    pub(crate) max_pending_bytes: u64,
    pub(crate) min_process_interval_seconds: f64,
    pub(crate) retry_max_times: u64,
}

/// The aspects of a proposal and of a snapshot.
pub(crate) const ASPECTS: [&str; 2] = ["datasetProperties", "browsePaths"];

/// Texts in an aspect by which the simulated GMS recognizes a proposal that it always rejects.
pub(crate) const REJECTED: &str = "rejected-with-";

/// The longest run of the platform's operations without a fault, in lives.
const MAX_FAULTY_LIVES: u64 = 4;

/// Records that GMS always rejects. With three in a row and nothing accepted, a run stops, because it cannot
/// know that the records are at fault; such an input never gets through.
const MAX_REJECTED: usize = 2;

impl World {
    pub(crate) fn of_seed(seed: u64) -> Self {
        let mut random = Random::of(seed, "world");
        let entities = u32::try_from(random.pick(&[1, 3, 8, 8, 40])).unwrap();
        let input = draw_input(&mut random, entities);
        let sink = SinkSettings {
            mode: random.pick(&["ASYNC_BATCH", "ASYNC_BATCH", "ASYNC_BATCH", "ASYNC", "SYNC"]),
            endpoint: random.pick(&["RESTLI", "RESTLI", "OPENAPI"]),
            max_threads: random.between(1, 6),
            max_per_batch: random.pick(&[1, 5, 20, 20, 100]),
            max_pending_requests: random.pick(&[1, 7, 40, 40, 2_000]),
            max_pending_bytes: random.pick(&[1_000, 10_000, 10_000, 16 << 20]),
            min_process_interval_seconds: random.pick(&[0.05, 1.0, 30.0]),
            retry_max_times: random.between(0, 4),
        };
        let lives = u32::try_from(random.between(1, MAX_FAULTY_LIVES)).unwrap();
        let faults = Fault::draw(&mut random, lives, entities);
        Self { seed, input, sink, faults }
    }

    /// The same world without one of its faults.
    pub(crate) fn without_fault(&self, index: usize) -> Self {
        let mut fewer = self.clone();
        fewer.faults.remove(index);
        fewer
    }

    /// The same world with only the first records.
    pub(crate) fn with_records(&self, records: usize) -> Self {
        Self { input: self.input[..records].to_vec(), ..self.clone() }
    }

    /// The last life that has a fault.
    pub(crate) fn last_faulty_life(&self) -> Option<u32> {
        self.faults.iter().map(|fault| fault.life).max()
    }

    pub(crate) fn input_text(&self) -> String {
        self.input.iter().zip(0..).map(|(record, number)| record.text(number) + "\n").collect()
    }
}

fn draw_input(random: &mut Random, entities: u32) -> Vec<InputRecord> {
    let records = random.pick(&[4, 20, 60, 150]);
    let mut rejected = 0;
    (0..records)
        .map(|_| {
            let entity = u32::try_from(random.between(0, u64::from(entities) - 1)).unwrap();
            match random.between(0, 39) {
                0 if rejected < MAX_REJECTED => {
                    rejected += 1;
                    InputRecord::Rejected { entity, status: random.pick(&[400, 413, 422]) }
                }
                1 => InputRecord::Invalid,
                2 => InputRecord::Ignored,
                3..=9 => InputRecord::Snapshot { entity },
                _ => {
                    let bytes = usize::try_from(random.pick(&[40, 40, 40, 120, 400])).unwrap();
                    InputRecord::Proposal { entity, bytes }
                }
            }
        })
        .collect()
}

pub(crate) fn urn(entity: u32) -> String {
    format!("urn:li:dataset:(urn:li:dataPlatform:sim,t{entity},PROD)")
}

/// A text in an aspect that says which record it belongs to.
fn marker(number: u32) -> String {
    format!("#{number}#")
}

/// The number of the record that an aspect belongs to.
pub(crate) fn record_number(aspect: &str) -> Option<u32> {
    let (_, rest) = aspect.split_once('#')?;
    rest.split_once('#')?.0.parse().ok()
}

impl InputRecord {
    /// The entity that it is about.
    pub(crate) fn entity(&self) -> Option<u32> {
        match self {
            Self::Proposal { entity, .. } | Self::Snapshot { entity } | Self::Rejected { entity, .. } => {
                Some(*entity)
            }
            Self::Invalid | Self::Ignored => None,
        }
    }

    /// How many proposals it becomes.
    pub(crate) fn proposals(&self) -> usize {
        match self {
            Self::Proposal { .. } | Self::Rejected { .. } => 1,
            Self::Snapshot { .. } => 2,
            Self::Invalid | Self::Ignored => 0,
        }
    }

    fn text(&self, number: u32) -> String {
        match self {
            Self::Proposal { entity, bytes } => proposal(*entity, number, &"x".repeat(*bytes)),
            Self::Rejected { entity, status } => proposal(*entity, number, &format!("{REJECTED}{status}")),
            Self::Snapshot { entity } => json!({"proposedSnapshot": {
            "com.linkedin.pegasus2avro.metadata.snapshot.DatasetSnapshot": {"urn": urn(*entity), "aspects": [
                {"com.linkedin.pegasus2avro.dataset.DatasetProperties": properties(number, "")},
                {"com.linkedin.pegasus2avro.common.BrowsePaths": {"paths": [format!("/{}", marker(number))]}},
            ]}}})
            .to_string(),
            Self::Invalid => format!("{{\"entityType\": \"dataset\", \"number\": \"{}\"}}", marker(number)),
            Self::Ignored => {
                json!({"bucket": 1_795_060_800_000_u64, "duration": "DAY", "resource": urn(0), "metrics": {}})
                    .to_string()
            }
        }
    }
}

fn proposal(entity: u32, number: u32, text: &str) -> String {
    json!({
        "entityType": "dataset",
        "entityUrn": urn(entity),
        "changeType": "UPSERT",
        "aspectName": ASPECTS[0],
        "aspect": {"json": properties(number, text)},
    })
    .to_string()
}

fn properties(number: u32, text: &str) -> Value {
    json!({"description": format!("{} {text}", marker(number)), "customProperties": {}, "tags": []})
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {} records, {:?}", self.seed, self.input.len(), self.sink)?;
        for fault in &self.faults {
            writeln!(f, "    {fault}")?;
        }
        Ok(())
    }
}
