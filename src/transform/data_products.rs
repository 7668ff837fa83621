//! `simple_add_dataset_dataproduct` and `pattern_add_dataset_dataproduct`.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::json;

use super::list_item::ListItem;
use super::object::{self, Json, Object, aspect};
use super::rules::Rules;
use super::tags::urn_of_type;
use super::{Addition, EntityLog, Found, Lookup, TransformError, Transformer};
use crate::Error;
use crate::metadata::{Aspect, ChangeType, Proposal, Urn, model};
use crate::recipe::{Fields, Reported};

const ASPECT: &str = "dataProductProperties";
const CONTAINER: &str = "container";

/// Finds the product of a data set.
const DATASET: u8 = 0;
/// Writes the data sets of a product.
const PRODUCT: u8 = 1;
/// Writes the containers of a product's data sets.
const PRODUCT_CONTAINERS: u8 = 2;

/// Assets in one patch. A product with more gets several patches, so that none is too large for a request.
const MAX_ASSETS: usize = 1000;

/// Makes the data sets that were seen assets of data products, after the last record.
struct AddDataProducts {
    products: Products,
    with_containers: bool,
    datasets: EntityLog,
    /// The products in the order of their first use.
    order: Vec<Urn>,
    assets: HashMap<Urn, Vec<Json>>,
    containers: HashMap<Urn, Vec<Urn>>,
    written: usize,
    containers_written: usize,
}

/// The products of data sets.
enum Products {
    Fixed(HashMap<String, Urn>),
    Rules(Rules),
}

pub(super) fn simple(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    const KEY: &str = "dataset_to_data_product_urns";
    fields.missing(KEY, "a mapping of URNs of data sets to URNs of data products");
    let mapping = fields.string_map(KEY, false).ok_or_else(|| fields.reported())?;
    let mut products = HashMap::with_capacity(mapping.len());
    let mut is_right = true;
    for (dataset, product) in mapping {
        match urn_of_type(&product, "dataProduct") {
            Ok(product) => drop(products.insert(dataset, product)),
            Err(why) => {
                is_right = false;
                fields.mistake(KEY, why);
            }
        }
    }
    if is_right { Ok(boxed(Products::Fixed(products), false)) } else { Err(fields.reported()) }
}

pub(super) fn pattern(fields: &mut Fields<'_>) -> Result<Box<dyn Transformer>, Reported> {
    const KEY: &str = "dataset_to_data_product_urns_pattern";
    fields.missing(KEY, "a mapping with `rules`");
    let rules = Rules::read_single(fields, KEY, |text| {
        let urn = urn_of_type(text, "dataProduct")?;
        Ok(ListItem { key: urn.as_str().to_owned(), json: object::json(&urn) })
    });
    let with_containers = fields.boolean("is_container").unwrap_or_default();
    if !fields.has(KEY) {
        return Err(fields.reported());
    }
    let rules = rules.ok_or_else(|| fields.reported())?;
    Ok(boxed(Products::Rules(rules), with_containers))
}

fn boxed(products: Products, with_containers: bool) -> Box<dyn Transformer> {
    Box::new(AddDataProducts {
        products,
        with_containers,
        datasets: EntityLog::default(),
        order: Vec::new(),
        assets: HashMap::new(),
        containers: HashMap::new(),
        written: 0,
        containers_written: 0,
    })
}

impl AddDataProducts {
    fn product_of(&self, dataset: &Urn) -> Result<Option<Urn>, TransformError> {
        match &self.products {
            Products::Fixed(products) => Ok(products.get(dataset.as_str()).cloned()),
            Products::Rules(rules) => {
                let items = rules.items(dataset.as_str())?;
                // A data set has one product: of several matching rules the first one counts.
                Ok(items.first().and_then(|item| Urn::parse(&item.key).ok()))
            }
        }
    }

    fn applies_to(proposal: &Proposal) -> bool {
        proposal.change_type() == ChangeType::Upsert
            && proposal.entity_type() == "dataset"
            && model::aspect(proposal.aspect_name()).is_some()
    }
}

impl Transformer for AddDataProducts {
    fn needs_graph(&self) -> Option<&'static str> {
        self.with_containers.then_some("`is_container` asks for the container of each data set")
    }

    fn transform(
        &mut self,
        proposal: Proposal,
        _found: &Found,
        output: &mut Vec<Proposal>,
    ) -> Result<(), TransformError> {
        self.observe(&proposal);
        output.push(proposal);
        Ok(())
    }

    fn observe(&mut self, proposal: &Proposal) {
        if Self::applies_to(proposal) {
            self.datasets.note(proposal.urn(), None, false);
        }
    }

    fn next_additions(&mut self, limit: usize) -> Result<Vec<Addition>, Error> {
        let datasets = self.datasets.next_pending(limit)?;
        if !datasets.is_empty() {
            return Ok(datasets.into_iter().map(|entity| Addition::new(entity.urn, DATASET)).collect());
        }
        let (written, step) = if self.written < self.order.len() {
            (&mut self.written, PRODUCT)
        } else {
            (&mut self.containers_written, PRODUCT_CONTAINERS)
        };
        let next: Vec<Urn> = self.order.iter().skip(*written).take(limit).cloned().collect();
        *written += next.len();
        Ok(next.into_iter().map(|product| Addition::new(product, step)).collect())
    }

    fn addition_lookups(&self, addition: &Addition) -> Vec<Lookup> {
        let is_asked = self.with_containers
            && addition.step == DATASET
            && self.product_of(&addition.entity).is_ok_and(|product| product.is_some());
        if is_asked { vec![Lookup::new(&addition.entity, CONTAINER)] } else { Vec::new() }
    }

    fn add(
        &mut self,
        addition: &Addition,
        found: &Found,
        output: &mut Vec<Proposal>,
    ) -> Result<(), TransformError> {
        match addition.step {
            DATASET => self.collect(&addition.entity, found, output),
            PRODUCT => {
                if let Some(assets) = self.assets.remove(&addition.entity).filter(|assets| !assets.is_empty())
                {
                    output.push(patch(&addition.entity, &assets));
                }
                Ok(())
            }
            _ => {
                let containers = self.containers.remove(&addition.entity).unwrap_or_default();
                let mut seen = HashSet::new();
                let assets: Vec<Json> =
                    containers.iter().filter(|urn| seen.insert(*urn)).map(operation).collect();
                if !assets.is_empty() {
                    output.push(patch(&addition.entity, &assets));
                }
                Ok(())
            }
        }
    }
}

impl AddDataProducts {
    fn collect(
        &mut self,
        dataset: &Urn,
        found: &Found,
        output: &mut Vec<Proposal>,
    ) -> Result<(), TransformError> {
        #[derive(Deserialize)]
        struct Container {
            container: String,
        }
        let Some(product) = self.product_of(dataset)? else { return Ok(()) };
        let container = match found.aspect(dataset, CONTAINER)? {
            Some(aspect) => Object::of(aspect)
                .ok()
                .and_then(|container| serde_json::from_str::<Container>(container.to_json().get()).ok())
                .and_then(|container| Urn::parse(&container.container).ok()),
            None => None,
        };
        if !self.assets.contains_key(&product) {
            self.order.push(product.clone());
        }
        if let Some(container) = container {
            self.containers.entry(product.clone()).or_default().push(container);
        }
        let assets = self.assets.entry(product.clone()).or_default();
        assets.push(operation(dataset));
        if assets.len() >= MAX_ASSETS {
            output.push(patch(&product, &std::mem::take(assets)));
        }
        Ok(())
    }
}

fn operation(asset: &Urn) -> Json {
    let path = format!("/assets/{}", super::json_pointer::pointer(asset.as_str()));
    object::json(&json!({
        "op": "add",
        "path": path,
        "value": {"destinationUrn": asset, "outputPort": false},
    }))
}

fn patch(product: &Urn, operations: &[Json]) -> Proposal {
    let patch = aspect(operations).with_content_type(Aspect::JSON_PATCH);
    Proposal::new(ChangeType::Patch, product.clone(), ASPECT, Some(patch))
}
