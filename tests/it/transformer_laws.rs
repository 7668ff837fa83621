//! The laws of every chain of transformers: nothing is lost, the order per URN stays, and a second pass
//! changes nothing.

use std::collections::HashMap;

use datahub_emitter::Environment;
use datahub_emitter::metadata::{ChangeType, Proposal, Urn};
use datahub_emitter::recipe::{Fields, Format, Recipe};
use datahub_emitter::transform::{Chain, Transformed, TransformerRegistry};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Transformers that need no server, each with a configuration.
const TRANSFORMERS: [(&str, &str); 14] = [
    ("simple_add_dataset_tags", "{tag_urns: ['urn:li:tag:a', 'urn:li:tag:b']}"),
    (
        "pattern_add_dataset_tags",
        "{tag_pattern: {rules: {'.*t[0-2]': ['urn:li:tag:low']}}, replace_existing: true}",
    ),
    ("simple_add_dataset_terms", "{term_urns: ['urn:li:glossaryTerm:g']}"),
    ("pattern_add_ownership", "{owner_pattern: {rules: {'.*t[13]': ['urn:li:corpuser:u']}}}"),
    ("simple_remove_dataset_ownership", "{}"),
    ("mark_dataset_status", "{removed: true}"),
    ("simple_add_dataset_properties", "{properties: {k: v}}"),
    ("set_dataset_browse_path", "{path_templates: ['/PLATFORM/DATASET_PARTS'], replace_existing: true}"),
    ("set_browse_path", "{path: [top], replace_existing: true}"),
    ("extract_dataset_tags", "{extract_tags_regex: 't([0-9])'}"),
    ("extract_ownership_from_tags", "{tag_pattern: 'l'}"),
    (
        "tags_to_structured_properties",
        "{tag_structured_property_map: {p: {values: [a, low]}}, remove_original_tags: true}",
    ),
    (
        "pattern_add_dataset_dataproduct",
        "{dataset_to_data_product_urns_pattern: {rules: {'.*t2': ['urn:li:dataProduct:d']}}}",
    ),
    ("set_attribution", "{attribution_source: 'urn:li:x:y'}"),
];

/// Those whose result does not change when they are applied to it again, in Python and here.
const IDEMPOTENT: usize = 10;

fn chain(indices: &[usize]) -> Chain {
    let registry = TransformerRegistry::default();
    let transformers = indices.iter().map(|index| {
        let (kind, config) = TRANSFORMERS[*index];
        let recipe =
            Recipe::parse("r.yml", Format::Yaml, config, &Environment::from_pairs([("A", "b")])).unwrap();
        let mistakes = recipe.mistakes();
        let mut fields = Fields::new(Some(recipe.root()), "config", &mistakes);
        let transformer = registry.configure(kind, &mut fields).unwrap();
        fields.finish();
        let errors = mistakes.into_error();
        assert!(errors.is_ok(), "{errors:?}");
        (kind.to_owned(), transformer.unwrap())
    });
    Chain::new(transformers.collect())
}

/// The total of a transformed window, or of the additions.
#[derive(Default)]
struct Sum {
    proposals: Vec<Proposal>,
    omitted: u64,
    failed: usize,
}

impl Sum {
    fn add(&mut self, transformed: Transformed) {
        self.proposals.extend(transformed.proposals);
        self.omitted += transformed.omitted;
        self.failed += transformed.failed.len();
    }
}

/// Passes records through a chain in windows of this size; returns what stands for each record, and the
/// additions.
fn pass(chain: &mut Chain, records: &[Vec<Proposal>], window: usize) -> (Vec<Transformed>, Sum) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        chain.start(None).await.unwrap();
        let now = "2026-11-30T12:00:00Z".parse().unwrap();
        let mut transformed = Vec::new();
        for records in records.chunks(window) {
            transformed.extend(chain.transform(records.to_vec(), now).await);
        }
        let mut additions = Sum::default();
        while let Some(more) = chain.next_additions(now).await.unwrap() {
            additions.add(more);
        }
        (transformed, additions)
    })
}

/// The value of an aspect; some do not have the form that the aspect's model asks for.
fn value(aspect: usize, tag: usize, is_broken: bool) -> (&'static str, Value) {
    let tags = json!({"tags": [{"tag": format!("urn:li:tag:{}", ["a", "low", "x"][tag])}]});
    let owners = json!({"owners": [{"owner": "urn:li:corpuser:o", "type": "DATAOWNER"}], "lastModified": {"time": 1, "actor": "urn:li:corpuser:o"}});
    let stamp = json!({"time": 1, "actor": "urn:li:corpuser:o"});
    match (aspect, is_broken) {
        (0, false) => ("globalTags", tags),
        (0, true) => ("globalTags", json!({"tags": "none"})),
        (1, false) => ("ownership", owners),
        (1, true) => ("ownership", json!({"owners": {"a": 1}})),
        (2, _) => ("status", json!({"removed": false})),
        (3, _) => ("datasetProperties", json!({"name": "n", "customProperties": {"k": "old"}})),
        (4, _) => ("glossaryTerms", json!({"terms": [], "auditStamp": stamp})),
        (5, _) => ("browsePathsV2", json!({"path": [{"id": "p"}]})),
        (_, false) => ("browsePaths", json!({"paths": ["/p"]})),
        (_, true) => ("unknownAspect", json!({"é": 1.0})),
    }
}

prop_compose! {
    fn proposal()(
        entity in 0_usize..5,
        aspect in 0_usize..7,
        tag in 0_usize..3,
        is_broken in prop::bool::weighted(0.1),
        change in prop::sample::select(vec![ChangeType::Upsert, ChangeType::Upsert, ChangeType::Upsert, ChangeType::Create, ChangeType::Delete]),
    ) -> Proposal {
        let urn = match entity {
            4 => Urn::parse("urn:li:chart:(looker,t1)").unwrap(),
            _ => Urn::dataset("hive", &format!("farm.t{entity}"), "PROD").unwrap(),
        };
        let (name, value) = value(aspect, tag, is_broken);
        Proposal::new(change, urn, name, (change != ChangeType::Delete).then(|| value.into()))
    }
}

fn records() -> impl Strategy<Value = Vec<Vec<Proposal>>> {
    prop::collection::vec(prop::collection::vec(proposal(), 0..4), 0..24)
}

fn indices(count: usize) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..count, 1..5)
}

/// The proposals in a form that can be compared.
fn shown(proposals: &[Proposal]) -> Vec<String> {
    let show = |proposal: &Proposal| {
        let aspect = proposal.aspect().map(|aspect| aspect.as_str().to_owned());
        format!("{} {} {} {aspect:?}", proposal.change_type(), proposal.urn(), proposal.aspect_name())
    };
    proposals.iter().map(show).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_proposal_is_written_omitted_or_failed(records in records(), indices in indices(TRANSFORMERS.len()), window in 1_usize..9) {
        let mut chain = chain(&indices);
        let (transformed, _) = pass(&mut chain, &records, window);
        prop_assert_eq!(transformed.len(), records.len());
        for (before, after) in records.iter().zip(&transformed) {
            let read = before.len() as u64;
            let lost = after.omitted + after.failed.len() as u64;
            prop_assert!(lost <= read);
            // A transformer may write several proposals for one, and never fewer than one if it omits none.
            prop_assert!(after.proposals.len() as u64 >= read - lost);
            for failed in &after.failed {
                prop_assert!(before.contains(&failed.original), "a failed proposal is the one that was read");
            }
        }
    }

    #[test]
    fn the_order_per_urn_stays(records in records(), indices in indices(TRANSFORMERS.len()), window in 1_usize..9) {
        let (transformed, _) = pass(&mut chain(&indices), &records, window);
        for (before, after) in records.iter().zip(&transformed) {
            // The proposals of a record are about its own entities, in the order in which it names them.
            let mut places: HashMap<(String, String), usize> = HashMap::new();
            for (place, proposal) in before.iter().enumerate() {
                places.entry((proposal.urn().to_string(), proposal.aspect_name().to_owned())).or_insert(place);
            }
            let known: Vec<usize> = after
                .proposals
                .iter()
                .filter_map(|proposal| places.get(&(proposal.urn().to_string(), proposal.aspect_name().to_owned())).copied())
                .collect();
            let distinct = places.len() == before.len();
            prop_assert!(!distinct || known.is_sorted(), "{:?}", shown(&after.proposals));
            for proposal in &after.proposals {
                prop_assert!(before.iter().any(|one| one.urn() == proposal.urn()), "{:?}", shown(&after.proposals));
            }
        }
    }

    #[test]
    fn windows_of_any_size_give_the_same_result(records in records(), indices in indices(TRANSFORMERS.len()), window in 1_usize..9) {
        let all = |window| {
            let (transformed, additions) = pass(&mut chain(&indices), &records, window);
            let records = transformed.iter().map(|record| shown(&record.proposals)).collect::<Vec<_>>();
            (records, shown(&additions.proposals), additions.failed)
        };
        prop_assert_eq!(all(window), all(1000));
    }

    #[test]
    fn a_second_pass_changes_nothing(records in records(), index in 0..IDEMPOTENT) {
        let (transformed, additions) = pass(&mut chain(&[index]), &records, 5);
        // A record that failed is not in the output, so the second pass sees another entity.
        prop_assume!(transformed.iter().all(|record| record.failed.is_empty()));
        let first: Vec<Proposal> =
            transformed.into_iter().flat_map(|record| record.proposals).chain(additions.proposals).collect();
        let again = first.iter().map(|proposal| vec![proposal.clone()]).collect::<Vec<_>>();
        let (transformed, additions) = pass(&mut chain(&[index]), &again, 5);
        let second: Vec<Proposal> = transformed.into_iter().flat_map(|record| record.proposals).collect();
        prop_assert_eq!(shown(&second), shown(&first));
        // Keys of tags are written by each run; a patch of properties does not make the aspect known.
        let repeated = |proposal: &&Proposal| proposal.aspect_name() != "tagKey" && proposal.change_type() != ChangeType::Patch;
        prop_assert_eq!(additions.proposals.iter().filter(repeated).count(), 0);
    }
}
