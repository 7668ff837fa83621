//! Does the public API compile and work as a program uses it?
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, and says where")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use datahub_emitter::BoxFuture;
use datahub_emitter::emitter::{Delivery, Emitter, EmitterBuilder, Outcome, Receipt};
use datahub_emitter::gms::Client;
use datahub_emitter::metadata::{Aspect, ChangeType, Origin, Proposal, SystemMetadata, Urn};
use datahub_emitter::pipeline::RunControl;
use datahub_emitter::recipe::{Fields, Recipe};
use datahub_emitter::sink::{Sink, SinkDestination, SinkRegistry, SinkReport};
use datahub_emitter::source::{InvalidRecord, Item, Progress, RawRecord, Source, SourceRegistry};
use datahub_emitter::{Error, ErrorKind};
use serde_json::json;

/// A program may move these between threads, and share them.
const _: fn() = || {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    fn sent<T: Send + 'static>() {}
    fn sync<T: Send + Sync + 'static>() {}
    shared::<Emitter>();
    shared::<Client>();
    shared::<Proposal>();
    shared::<Aspect>();
    shared::<Urn>();
    shared::<SystemMetadata>();
    shared::<RunControl>();
    sync::<Error>();
    sync::<Recipe>();
    sync::<SourceRegistry>();
    sync::<SinkRegistry>();
    sync::<Box<dyn Sink>>();
    sent::<EmitterBuilder>();
    sent::<Receipt>();
    sent::<Delivery>();
    sent::<Box<dyn Source>>();
    sent::<Item>();
};

/// A source of a program: a list of tags.
struct TagSource {
    names: std::vec::IntoIter<String>,
    read: u64,
}

impl Source for TagSource {
    fn next(&mut self) -> Result<Option<Item>, Error> {
        let Some(name) = self.names.next() else { return Ok(None) };
        let origin = Origin::new("tags", self.read, 0);
        self.read += 1;
        let proposal = Urn::tag(&name).map_err(|error| error.to_string()).and_then(|urn| {
            Proposal::upsert(urn, "status", json!({"removed": false})).map_err(|e| e.to_string())
        });
        Ok(Some(match proposal {
            Ok(proposal) => Item::Record { proposals: vec![proposal.with_origin(origin)], filtered: 0 },
            Err(reason) => {
                Item::Invalid(InvalidRecord { origin, reason, raw: RawRecord::of(name.as_bytes()) })
            }
        }))
    }

    fn progress(&self) -> Progress {
        let mut progress = Progress::default();
        progress.bytes = self.read;
        progress
    }
}

/// A sink of a program: it keeps URNs.
#[derive(Clone, Default)]
struct UrnSink {
    urns: Arc<Mutex<Vec<String>>>,
}

impl Sink for UrnSink {
    fn write(&self, delivery: Delivery) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.urns.lock().unwrap().push(delivery.proposal().urn().to_string());
            delivery.settle(Outcome::Delivered);
        })
    }

    fn stopped(&self) -> Option<Error> {
        None
    }

    fn close(&self, _deadline: Option<Duration>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn report(&self) -> SinkReport {
        SinkReport::of_destination(SinkDestination::written())
    }
}

fn sources() -> SourceRegistry {
    let mut sources = SourceRegistry::default();
    sources.register("tags", |fields| {
        let names = fields.strings("names");
        fields.missing("names", "a list of tags");
        if fields.has("prefix") {
            fields.warn("`prefix` is ignored");
        }
        let names = names.ok_or_else(|| fields.reported())?;
        Ok(Box::new(move || Ok(Box::new(TagSource { names: names.into_iter(), read: 0 }) as Box<dyn Source>)))
    });
    sources
}

/// Reads the keys of the source `tags`: the result, the warnings and the mistakes.
fn configured(config: &serde_json::Value) -> (Option<Box<dyn Source>>, Vec<String>, Option<String>) {
    let recipe = Recipe::from_json(config).unwrap();
    let mistakes = recipe.mistakes();
    let mut fields = Fields::new(Some(recipe.root()), "source.config", &mistakes);
    let opened = sources().configure("tags", &mut fields).unwrap();
    let warnings = mistakes.take_warnings();
    let mistakes = mistakes.into_error().err().map(|error| error.to_string());
    (opened.ok().map(|open| open().unwrap()), warnings, mistakes)
}

#[tokio::test]
async fn a_source_and_a_sink_of_a_program_work_together() {
    let (source, warnings, mistakes) = configured(&json!({"names": ["pii", ""], "prefix": "x"}));
    assert_eq!((warnings, mistakes), (vec!["`prefix` is ignored".to_owned()], None));
    let (mut source, sink, mut invalid) = (source.unwrap(), UrnSink::default(), Vec::new());
    while let Some(item) = source.next().unwrap() {
        match item {
            Item::Record { proposals, .. } => {
                for proposal in proposals {
                    let (delivery, receipt) = Delivery::with_receipt(proposal);
                    sink.write(delivery).await;
                    assert_eq!(receipt.await, Outcome::Delivered);
                }
            }
            Item::Invalid(record) => invalid.push(record.origin.to_string()),
            _ => {}
        }
    }
    assert_eq!(*sink.urns.lock().unwrap(), ["urn:li:tag:pii"]);
    assert_eq!((invalid, source.progress().bytes), (vec!["tags#1".to_owned()], 2));
}

#[test]
fn a_mistake_in_the_keys_of_a_plugin_is_reported_with_its_place() {
    let (source, _, mistakes) = configured(&json!({"names": [1]}));
    assert!(source.is_none());
    assert!(mistakes.unwrap().contains("`source.config.names[0]`: expected a string"));
    let (source, _, mistakes) = configured(&json!({}));
    assert!(source.is_none());
    assert!(mistakes.unwrap().contains("`source.config.names` is missing: expected a list of tags"));
}

#[test]
fn proposals_are_made_without_struct_literals() -> Result<(), Box<dyn std::error::Error>> {
    let orders = Urn::dataset("hive", "shop.orders", "PROD")?;
    let mut metadata = SystemMetadata::default();
    metadata.pipeline_name = Some("nightly".into());
    let proposal = Proposal::create(&orders, "status", Aspect::from_serialize(&json!({"removed": true}))?)?
        .with_system_metadata(metadata)
        .with_run_id("run-1")
        .with_header("If-Version-Match", "1");
    assert_eq!(proposal.change_type(), ChangeType::Create);
    assert_eq!(proposal.urn(), &orders);
    let metadata = proposal.system_metadata().ok_or("no system metadata")?;
    assert_eq!(
        (metadata.run_id.as_deref(), metadata.pipeline_name.as_deref()),
        (Some("run-1"), Some("nightly"))
    );
    assert_eq!(serde_json::to_value(proposal.urn())?, json!(orders.as_str()));
    assert_eq!(serde_json::from_value::<Urn>(json!("urn:li:tag:x"))?, Urn::tag("x")?);
    assert_eq!(Error::new(ErrorKind::Input, "x").kind(), ErrorKind::Input);
    Ok(())
}
