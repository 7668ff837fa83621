//! The schema: `operations.graphql` and `entities.graphql`, with a resolver for each field.
//!
//! The files are in GraphQL's own language. Directives say where the value of a field comes from; without
//! one, it is the member of that name.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_graphql::dynamic::{
    Enum, Field, FieldFuture, FieldValue, InputObject, InputValue, Interface, InterfaceField, Object,
    ResolverContext, Scalar, Schema, SchemaBuilder, TypeRef, Union,
};
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, ConstDirective, FieldDefinition, InputValueDefinition, Type, TypeDefinition, TypeKind,
    TypeSystemDefinition,
};
use async_graphql::{Error, Name, Positioned, Result, Value as GraphqlValue};
use serde_json::{Map, Value};

use super::call::Call;
use super::entity_name;
use super::error::server_error;
use super::node::{EntityNode, Node, at};
use super::{calls, convert};
use crate::urn::Urn;

const OPERATIONS: &str = include_str!("operations.graphql");
const ENTITIES: &str = include_str!("entities.graphql");

/// The suffix of types whose fields are copied into others.
const MIXIN: &str = "Mixin";

/// The message of an error that was reported with its path.
pub(super) const REPORTED: &str = "the error is reported with its path";

/// The enum of entity types, which is generated.
pub(super) const ENTITY_TYPE: &str = "EntityType";

/// The kinds of the types, by name.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    kinds: HashMap<String, Kind>,
    inputs: HashMap<String, Vec<(String, Type)>>,
}

/// The kind of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar,
    Enum(HashSet<String>),
    /// An object type; whether it is an entity.
    Object {
        entity: bool,
    },
    Interface,
    Union(Vec<String>),
    Input,
}

impl Kinds {
    pub(super) fn of(&self, name: &str) -> &Kind {
        self.kinds.get(name).unwrap_or(&Kind::Scalar)
    }
}

/// Where the value of a field comes from.
#[derive(Clone, Debug)]
enum Source {
    /// Members of the record: paths, of which the first with a value counts.
    Members(Vec<String>),
    /// The member, or else the name of the entity.
    OrName(String),
    Aspect {
        name: String,
        path: Option<String>,
    },
    /// A part of the entity's key.
    Key {
        part: usize,
        member: String,
    },
    OwnerUrn,
    /// The number of elements at a path.
    Count(String),
    Urn,
    TypeOfEntity,
    /// A function, by type and field.
    Call(String),
}

/// A field, with everything that its resolver needs.
#[derive(Debug)]
struct FieldPlan {
    source: Source,
    r#type: Type,
    arguments: Vec<InputValueDefinition>,
    kinds: Arc<Kinds>,
}

/// Builds the schema.
///
/// # Errors
/// A message if the files of this crate are not valid, which a test excludes.
pub(super) fn build(limits: impl FnOnce(SchemaBuilder) -> SchemaBuilder) -> Result<Schema, String> {
    let mut definitions = Vec::new();
    for text in [OPERATIONS, ENTITIES] {
        let document = parse_schema(text).map_err(|error| error.to_string())?;
        definitions.extend(document.definitions.into_iter().filter_map(|definition| match definition {
            TypeSystemDefinition::Type(definition) => Some(definition.node),
            _ => None,
        }));
    }
    let kinds = Arc::new(kinds(&definitions));
    let mixins: HashMap<_, _> = definitions
        .iter()
        .filter(|definition| definition.name.node.ends_with(MIXIN))
        .map(|definition| (definition.name.node.as_str(), definition))
        .collect();
    let mut builder = Schema::build("Query", Some("Mutation"), None)
        .register(Enum::new(ENTITY_TYPE).items(entity_name::SYMBOLS.iter().copied()));
    for definition in &definitions {
        let name = definition.name.node.as_str();
        if mixins.contains_key(name) {
            continue;
        }
        builder = match &definition.kind {
            TypeKind::Scalar => builder.register(Scalar::new(name).description("A 64-bit integer.")),
            TypeKind::Object(_) => builder.register(object(definition, &mixins, &kinds)?),
            TypeKind::Interface(interface) => {
                let mut made = Interface::new(name);
                if let Some(description) = &definition.description {
                    made = made.description(&description.node);
                }
                for field in &interface.fields {
                    let mut one =
                        InterfaceField::new(field.node.name.node.as_str(), reference(&field.node.ty.node));
                    if let Some(description) = &field.node.description {
                        one = one.description(&description.node);
                    }
                    for argument in &field.node.arguments {
                        one = one.argument(input_value(&argument.node));
                    }
                    made = made.field(one);
                }
                builder.register(made)
            }
            TypeKind::Union(union) => {
                let members = union.members.iter();
                builder.register(
                    members.fold(Union::new(name), |union, one| union.possible_type(one.node.as_str())),
                )
            }
            TypeKind::Enum(symbols) => {
                let items = symbols.values.iter().map(|value| value.node.value.node.as_str());
                builder.register(Enum::new(name).items(items))
            }
            TypeKind::InputObject(input) => {
                let mut made = InputObject::new(name);
                if let Some(description) = &definition.description {
                    made = made.description(&description.node);
                }
                for field in &input.fields {
                    made = made.field(input_value(&field.node));
                }
                builder.register(made)
            }
        };
    }
    limits(builder).finish().map_err(|error| error.to_string())
}

fn kinds(definitions: &[TypeDefinition]) -> Kinds {
    let mut kinds = Kinds::default();
    let symbols = entity_name::SYMBOLS.iter().map(|symbol| (*symbol).to_owned()).collect();
    kinds.kinds.insert(ENTITY_TYPE.to_owned(), Kind::Enum(symbols));
    for definition in definitions {
        let kind = match &definition.kind {
            TypeKind::Scalar => Kind::Scalar,
            TypeKind::Object(object) => {
                Kind::Object { entity: object.implements.iter().any(|one| one.node == "Entity") }
            }
            TypeKind::Interface(_) => Kind::Interface,
            TypeKind::Union(union) => {
                Kind::Union(union.members.iter().map(|one| one.node.to_string()).collect())
            }
            TypeKind::Enum(symbols) => {
                Kind::Enum(symbols.values.iter().map(|value| value.node.value.node.to_string()).collect())
            }
            TypeKind::InputObject(input) => {
                let fields = input.fields.iter();
                let fields =
                    fields.map(|field| (field.node.name.node.to_string(), field.node.ty.node.clone()));
                kinds.inputs.insert(definition.name.node.to_string(), fields.collect());
                Kind::Input
            }
        };
        kinds.kinds.insert(definition.name.node.to_string(), kind);
    }
    kinds
}

fn object(
    definition: &TypeDefinition,
    mixins: &HashMap<&str, &TypeDefinition>,
    kinds: &Arc<Kinds>,
) -> Result<Object, String> {
    let name = definition.name.node.as_str();
    let mut made = Object::new(name);
    if let Some(description) = &definition.description {
        made = made.description(&description.node);
    }
    let TypeKind::Object(object) = &definition.kind else { return Ok(made) };
    for interface in &object.implements {
        made = made.implement(interface.node.as_str());
    }
    let mut types = vec![definition];
    if let Some(directive) = directive(&definition.directives, "mixin") {
        for mixin in strings(directive, "of") {
            types.push(mixins.get(mixin.as_str()).ok_or_else(|| format!("{name}: there is no {mixin}"))?);
        }
    }
    for origin in types {
        let TypeKind::Object(fields) = &origin.kind else { continue };
        for field in &fields.fields {
            made = made.field(self::field(origin.name.node.as_str(), &field.node, kinds));
        }
    }
    Ok(made)
}

/// A field of an object type. `origin` is the type that defines it, which may be a mixin.
fn field(origin: &str, definition: &FieldDefinition, kinds: &Arc<Kinds>) -> Field {
    let name = definition.name.node.as_str();
    let plan = Arc::new(FieldPlan {
        source: source(origin, definition),
        r#type: definition.ty.node.clone(),
        arguments: definition.arguments.iter().map(|argument| argument.node.clone()).collect(),
        kinds: Arc::clone(kinds),
    });
    let mut made = Field::new(name, reference(&definition.ty.node), move |context| {
        let plan = Arc::clone(&plan);
        FieldFuture::new(async move { plan.resolve(context).await })
    });
    if let Some(description) = &definition.description {
        made = made.description(&description.node);
    }
    if let Some(directive) = directive(&definition.directives, "deprecated") {
        made = made.deprecation(string(directive, "reason").as_deref());
    }
    for argument in &definition.arguments {
        made = made.argument(input_value(&argument.node));
    }
    made
}

fn source(origin: &str, definition: &FieldDefinition) -> Source {
    let name = definition.name.node.as_str();
    if origin == "Query" || origin == "Mutation" {
        return Source::Call(format!("{origin}.{name}"));
    }
    match (origin, name) {
        ("EntityMixin", "urn") => return Source::Urn,
        ("EntityMixin", "type") => return Source::TypeOfEntity,
        _ => {}
    }
    let directives = &definition.directives;
    if directive(directives, "call").is_some() {
        return Source::Call(format!("{origin}.{name}"));
    }
    if directive(directives, "ownerUrn").is_some() {
        return Source::OwnerUrn;
    }
    if directive(directives, "orName").is_some() {
        return Source::OrName(name.to_owned());
    }
    if let Some(directive) = directive(directives, "aspect") {
        let aspect = string(directive, "name").unwrap_or_default();
        return Source::Aspect { name: aspect, path: string(directive, "path") };
    }
    if let Some(directive) = directive(directives, "key") {
        let part = string(directive, "part").and_then(|part| part.parse().ok()).unwrap_or(0);
        return Source::Key { part, member: name.to_owned() };
    }
    if let Some(directive) = directive(directives, "count") {
        return Source::Count(string(directive, "path").unwrap_or_default());
    }
    match directive(directives, "from") {
        Some(directive) => {
            Source::Members(["path", "or"].into_iter().filter_map(|name| string(directive, name)).collect())
        }
        None => Source::Members(vec![name.to_owned()]),
    }
}

fn directive<'a>(directives: &'a [Positioned<ConstDirective>], name: &str) -> Option<&'a ConstDirective> {
    directives.iter().map(|directive| &directive.node).find(|directive| directive.name.node == name)
}

fn argument(directive: &ConstDirective, name: &str) -> Option<Value> {
    directive.get_argument(name).and_then(|value| value.node.clone().into_json().ok())
}

/// A scalar argument of a directive, as text.
fn string(directive: &ConstDirective, name: &str) -> Option<String> {
    Some(match argument(directive, name)? {
        Value::String(text) => text,
        other => other.to_string(),
    })
}

fn strings(directive: &ConstDirective, name: &str) -> Vec<String> {
    argument(directive, name).and_then(|list| serde_json::from_value(list).ok()).unwrap_or_default()
}

fn reference(r#type: &Type) -> TypeRef {
    let inner = match &r#type.base {
        BaseType::Named(name) => TypeRef::named(name.as_str()),
        BaseType::List(item) => TypeRef::List(Box::new(reference(item))),
    };
    if r#type.nullable { inner } else { TypeRef::NonNull(Box::new(inner)) }
}

fn input_value(definition: &InputValueDefinition) -> InputValue {
    let mut made = InputValue::new(definition.name.node.as_str(), reference(&definition.ty.node));
    if let Some(description) = &definition.description {
        made = made.description(&description.node);
    }
    match &definition.default_value {
        Some(default) => made.default_value(default.node.clone()),
        None => made,
    }
}

impl FieldPlan {
    async fn resolve<'a>(&self, context: ResolverContext<'a>) -> Result<Option<FieldValue<'a>>> {
        let node = context.parent_value.try_downcast_ref::<Node>().unwrap_or(&Node::Root);
        let output =
            self.value(&context, node).await.and_then(|value| self.output(value, &self.r#type, node.owner()));
        output.or_else(|error| {
            // The library adds no path to an error, so it is reported here.
            let context = context.ctx;
            context.add_error(context.set_error_path(error.into_server_error(context.item.pos)));
            // The error of a field that may be null concerns this field alone.
            if self.r#type.nullable { Ok(None) } else { Err(Error::new(REPORTED)) }
        })
    }

    async fn value(&self, context: &ResolverContext<'_>, node: &Node) -> Result<Value> {
        match &self.source {
            Source::Members(paths) => Ok(first(node.record(), paths)),
            Source::OrName(member) => {
                let own = at(node.record(), member);
                let name = || node.owner().map(|owner| Value::from(owner.name()));
                Ok(if own.is_null() { name().unwrap_or_default() } else { own })
            }
            Source::Aspect { name, path } => {
                let Node::Entity(entity) = node else { return Ok(Value::Null) };
                let aspect = entity.aspects(context.ctx.data()?).await?.get(name);
                Ok(match (aspect, path) {
                    (Some(aspect), Some(path)) => at(aspect, path),
                    (aspect, _) => aspect.cloned().unwrap_or_default(),
                })
            }
            Source::Key { part, member } => Ok(match node {
                Node::Entity(entity) => entity.key().get(*part).copied().map(Value::from).unwrap_or_default(),
                _ => at(node.record(), member),
            }),
            Source::OwnerUrn => Ok(node.owner().map(|owner| owner.urn.as_str().into()).unwrap_or_default()),
            Source::Count(path) => Ok(at(node.record(), path).as_array().map(Vec::len).into()),
            Source::Urn => Ok(match node {
                Node::Entity(entity) => entity.urn.as_str().into(),
                _ => at(node.record(), "urn"),
            }),
            Source::TypeOfEntity => Ok(match node {
                Node::Entity(entity) => entity_name::symbol_of(entity.urn.entity_type()).into(),
                _ => at(node.record(), "type"),
            }),
            Source::Call(name) => {
                let arguments = self.coerced(context.args.as_index_map().iter());
                calls::call(name, Call::new(context.ctx, node, arguments)?).await
            }
        }
    }

    /// The arguments as JSON, with single values in place of lists made lists of one.
    fn coerced<'v>(&self, given: impl Iterator<Item = (&'v Name, &'v GraphqlValue)>) -> Value {
        let mut arguments = Map::new();
        for (name, value) in given {
            let definition = self.arguments.iter().find(|argument| argument.name.node == *name);
            let value = value.clone().into_json().unwrap_or_default();
            let value = match definition {
                Some(definition) => self.coerce(value, &definition.ty.node),
                None => value,
            };
            arguments.insert(name.to_string(), value);
        }
        Value::Object(arguments)
    }

    fn coerce(&self, value: Value, r#type: &Type) -> Value {
        match (&r#type.base, value) {
            (_, Value::Null) => Value::Null,
            (BaseType::List(item), Value::Array(items)) => {
                items.into_iter().map(|one| self.coerce(one, item)).collect()
            }
            (BaseType::List(item), single) => Value::Array(vec![self.coerce(single, item)]),
            (BaseType::Named(name), Value::Object(mut members)) => {
                for (field, r#type) in self.kinds.inputs.get(name.as_str()).into_iter().flatten() {
                    if let Some(member) = members.get_mut(field) {
                        *member = self.coerce(member.take(), r#type);
                    }
                }
                // A member without a value is as good as none.
                members.retain(|_, member| !member.is_null());
                Value::Object(members)
            }
            (BaseType::Named(_), value) => value,
        }
    }

    /// The value in the form of its type.
    fn output<'a>(
        &self,
        value: Value,
        r#type: &Type,
        owner: Option<&Arc<EntityNode>>,
    ) -> Result<Option<FieldValue<'a>>> {
        match (&r#type.base, value) {
            (_, Value::Null) if r#type.nullable => Ok(None),
            (BaseType::List(item), value) => {
                let items = match value {
                    Value::Array(items) => items,
                    Value::Null => Vec::new(),
                    // A map becomes a list of its entries.
                    Value::Object(members) => convert::entries(members),
                    single => vec![single],
                };
                let mut values = Vec::new();
                for item_value in items.into_iter().filter(|item| !item.is_null()) {
                    values.extend(self.output(item_value, item, owner)?);
                }
                Ok(Some(FieldValue::list(values)))
            }
            (BaseType::Named(name), value) => self.named(value, name.as_str(), r#type.nullable, owner),
        }
    }

    fn named<'a>(
        &self,
        value: Value,
        name: &str,
        nullable: bool,
        owner: Option<&Arc<EntityNode>>,
    ) -> Result<Option<FieldValue<'a>>> {
        let missing = || {
            let message = format!("java.lang.NullPointerException: there is no {name}");
            if nullable { Ok(None) } else { Err(server_error(message)) }
        };
        match self.kinds.of(name) {
            Kind::Scalar => match convert::scalar(name, value) {
                Some(value) => Ok(Some(FieldValue::value(value))),
                None if nullable => Ok(None),
                None => Ok(Some(FieldValue::value(convert::zero(name)))),
            },
            Kind::Enum(symbols) => match value.as_str().filter(|symbol| symbols.contains(*symbol)) {
                Some(symbol) => Ok(Some(FieldValue::value(GraphqlValue::Enum(Name::new(symbol))))),
                None => missing(),
            },
            Kind::Interface => match entity(&value) {
                Some(entity) => {
                    let object = entity_name::object_of(&entity.urn);
                    Ok(Some(FieldValue::owned_any(Node::Entity(entity)).with_type(object)))
                }
                None => missing(),
            },
            Kind::Union(members) => {
                if let Some(entity) = entity(&value) {
                    let object = entity_name::object_of(&entity.urn);
                    if members.iter().any(|member| member == object) {
                        return Ok(Some(FieldValue::owned_any(Node::Entity(entity)).with_type(object)));
                    }
                }
                match convert::member_of_union(name, &value) {
                    Some((object, value)) => {
                        Ok(Some(FieldValue::owned_any(record(value, owner)).with_type(object)))
                    }
                    None => missing(),
                }
            }
            Kind::Object { entity: true } if value.is_string() => match entity(&value) {
                Some(entity) if entity_name::object_of(&entity.urn) == name => {
                    Ok(Some(FieldValue::owned_any(Node::Entity(entity))))
                }
                _ => missing(),
            },
            Kind::Object { entity: true } if value.is_null() => missing(),
            Kind::Object { .. } => Ok(Some(FieldValue::owned_any(record(value, owner)))),
            Kind::Input => missing(),
        }
    }
}

fn record(value: Value, owner: Option<&Arc<EntityNode>>) -> Node {
    Node::Record { value: Arc::new(value), owner: owner.cloned() }
}

fn entity(value: &Value) -> Option<Arc<EntityNode>> {
    Urn::parse(value.as_str()?).ok().map(|urn| Arc::new(EntityNode::new(urn)))
}

/// The first of the paths with a value.
fn first(record: &Value, paths: &[String]) -> Value {
    let mut values = paths.iter().map(|path| at(record, path));
    let is_empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    values.find(|value| !is_empty(value)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_valid_and_every_call_is_known() {
        let schema = build(|builder| builder).unwrap();
        let sdl = schema.sdl();
        for part in [
            "type Dataset implements Entity & EntityWithRelationships",
            "interface Entity",
            "union OwnerType",
        ] {
            assert!(sdl.contains(part), "{part}");
        }
        assert!(!sdl.contains(MIXIN), "mixins are not types");
        let documents = [OPERATIONS, ENTITIES].map(|text| parse_schema(text).unwrap().definitions);
        for definition in documents.into_iter().flatten() {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let TypeKind::Object(object) = &definition.node.kind else { continue };
            for field in &object.fields {
                if let Source::Call(name) = source(definition.node.name.node.as_str(), &field.node) {
                    assert!(calls::NAMES.contains(&name.as_str()), "{name}");
                }
            }
        }
    }

    #[test]
    fn operations_and_entities_are_described() {
        let documents = [OPERATIONS, ENTITIES].map(|text| parse_schema(text).unwrap().definitions);
        for definition in documents.into_iter().flatten() {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let definition = definition.node;
            let TypeKind::Object(object) = &definition.kind else { continue };
            if object.implements.iter().any(|one| one.node == "Entity") {
                assert!(definition.description.is_some(), "{}", definition.name.node);
            }
        }
    }
}
