use super::*;

fn strictly_sorted<'a>(names: impl IntoIterator<Item = &'a str>) -> bool {
    let names: Vec<_> = names.into_iter().collect();
    names.windows(2).all(|pair| pair[0] < pair[1])
}

#[test]
fn tables_are_sorted_and_without_duplicates() {
    assert!(strictly_sorted(aspects::ASPECTS.iter().map(|model| model.name)));
    assert!(strictly_sorted(entities::ENTITIES.iter().map(|(name, _)| *name)));
    assert!(strictly_sorted(snapshots::SNAPSHOTS.iter().map(|model| model.class)));
    for model in &snapshots::SNAPSHOTS {
        assert!(strictly_sorted(model.aspects.iter().map(|(class, _)| *class)), "{}", model.class);
    }
    for model in &aspects::ASPECTS {
        check_members(model.root);
    }
}

fn check_members(node: &'static Node) {
    assert!(strictly_sorted(node.children().map(|(name, _)| name)));
    node.children().for_each(|(_, child)| check_members(child));
}

#[test]
fn tables_agree_with_each_other() {
    for (entity_type, key) in &entities::ENTITIES {
        assert!(aspect(key).is_some(), "key aspect {key} of {entity_type}");
    }
    for model in &snapshots::SNAPSHOTS {
        assert!(key_aspect(model.entity_type).is_some(), "{}", model.class);
        for (class, name) in model.aspects {
            assert_eq!(aspect(name).map(|model| model.class), Some(*class));
        }
    }
}

#[test]
fn names_are_found() {
    assert_eq!(aspect("datasetProperties").unwrap().class, "com.linkedin.dataset.DatasetProperties");
    assert!(aspect("datasetproperties").is_none());
    assert!(is_timeseries("datasetProfile"));
    assert!(!is_timeseries("status"));
    assert!(!is_timeseries("ourOwnAspect"));
    assert_eq!(key_aspect("dataset"), Some("datasetKey"));
    assert_eq!(key_aspect("ourOwnEntity"), None);
    assert!(matches!(intern("dataset"), Cow::Borrowed("dataset")));
    assert!(matches!(intern("status"), Cow::Borrowed("status")));
    assert!(matches!(intern("ourOwnAspect"), Cow::Owned(_)));
}

#[test]
fn snapshots_are_found_in_both_namespaces() {
    for class in [
        "com.linkedin.pegasus2avro.metadata.snapshot.MLModelSnapshot",
        "com.linkedin.metadata.snapshot.MLModelSnapshot",
    ] {
        let model = snapshot(class).unwrap();
        assert_eq!(model.entity_type, "mlModel");
        assert_eq!(model.aspect("com.linkedin.pegasus2avro.common.Status"), Some("status"));
        assert_eq!(model.aspect("com.linkedin.common.Status"), Some("status"));
        assert_eq!(model.aspect("com.linkedin.schema.SchemaMetadata"), None);
    }
    assert!(snapshot("org.example.metadata.snapshot.MLModelSnapshot").is_none());
}

#[test]
fn paths_lead_to_unions_and_maps() {
    let schema = aspect("schemaMetadata").unwrap().root;
    let field = schema.member(b"fields").item();
    assert_eq!(field.member(b"type").member(b"type").role, Role::Union);
    assert_eq!(field.member(b"description").role, Role::Plain);
    assert_eq!(schema.member(b"platformSchema").role, Role::Union);
    let specs = schema.member(b"foreignKeysSpecs");
    assert_eq!(specs.role, Role::Map);
    assert_eq!(specs.member(b"anything").member(b"foreignKey").role, Role::Union);

    let cost = aspect("cost").unwrap().root;
    assert_eq!(cost.member(b"cost").role, Role::AliasedUnion);
    assert_eq!(cost.member(b"cost").member(b"cost").role, Role::Plain);
    assert_eq!(cost.member(b"costType").role, Role::Plain);

    let custom = aspect("datasetProperties").unwrap().root.member(b"customProperties");
    assert_eq!(custom.role, Role::Map);
    assert_eq!(custom.member(b"string").role, Role::Opaque);
    assert_eq!(custom.member(b"string").member(b"string").role, Role::Opaque);
    assert_eq!(custom.member(b"string").item().role, Role::Opaque);
}
