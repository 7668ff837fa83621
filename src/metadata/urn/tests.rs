use super::*;

fn fault(urn: &str) -> Option<String> {
    Urn::parse(urn).unwrap().fault()
}

#[test]
fn a_urn_is_taken_apart() {
    let urn = Urn::parse("urn:li:dataset:(urn:li:dataPlatform:hive,db.orders,PROD)").unwrap();
    assert_eq!(urn.entity_type(), "dataset");
    assert_eq!(urn.key(), "(urn:li:dataPlatform:hive,db.orders,PROD)");
    assert_eq!(Urn::parse("urn:li:tag:a/b é").unwrap().path_segment(), "urn%3Ali%3Atag%3Aa%2Fb%20%C3%A9");
}

#[test]
fn other_texts_are_no_urns() {
    for text in ["", "urn:li:", "urn:li:tag", "urn:li:tag:", "urn:li::x", "urn:x:tag:y", "tag:y"] {
        let error = Urn::parse(text).unwrap_err().to_string();
        assert_eq!(error, format!("not a URN: expected urn:li:<entity type>:<key>, found {text:?}"));
    }
}

#[test]
fn good_urns_have_no_fault() {
    for urn in [
        "urn:li:dataset:(urn:li:dataPlatform:hive,db.orders,PROD)",
        "urn:li:dataset:(urn:li:dataPlatform:s3,bucket/a (copy, 2)/b,NON_PROD)",
        "urn:li:dataset:(urn:li:dataPlatform:hive,db.orders,our own fabric)",
        "urn:li:chart:(looker,baz1)",
        "urn:li:dataFlow:(airflow,dag,any cluster at all)",
        "urn:li:dataJob:(urn:li:dataFlow:(airflow,dag,PROD),task)",
        "urn:li:schemaField:(urn:li:dataset:(urn:li:dataPlatform:hive,db.t,PROD),[version=2.0].[type=struct].a)",
        "urn:li:mlFeatureTable:(urn:li:dataPlatform:feast,table)",
        "urn:li:dataProcess:(sqoop,DEMO,PROD)",
        "urn:li:corpuser:jane.doe@example.org",
        "urn:li:tag:(a,b",
        "urn:li:ourOwnEntity:(a,b,c,d)",
    ] {
        assert_eq!(fault(urn), None, "{urn}");
    }
}

#[test]
fn white_space_at_an_end_is_a_fault() {
    for urn in [" urn:li:tag:x", "urn:li:tag:x ", "urn:li:tag:x\n", "urn:li:tag:x\u{a0}"] {
        assert!(fault(urn).unwrap().contains("white space"), "{urn:?}");
    }
    assert_eq!(fault("urn:li:tag:a b"), None);
}

#[test]
fn the_separator_of_the_search_index_is_a_fault() {
    assert!(fault("urn:li:tag:a␟b").unwrap().contains('␟'));
}

#[test]
fn the_length_is_that_of_the_encoded_form() {
    // `urn:li:tag:` encodes to 17 bytes, an é to 6.
    let most = format!("urn:li:tag:{}", "a".repeat(MAX_ENCODED_BYTES - 17));
    assert_eq!(fault(&most), None);
    assert!(fault(&format!("{most}a")).unwrap().contains("513 bytes"));
    assert!(fault(&format!("urn:li:tag:{}", "é".repeat(83))).unwrap().contains("515 bytes"));
    let field = format!("urn:li:schemaField:(urn:li:tag:x,{})", "a".repeat(600));
    assert_eq!(fault(&field), None);
}

#[test]
fn bad_key_parts_are_faults() {
    for (urn, expected) in [
        ("urn:li:dataset:db.orders", "its key has 1 part where a dataset has 3"),
        ("urn:li:dataset:(urn:li:dataPlatform:hive,db.orders)", "its key has 2 parts where a dataset has 3"),
        ("urn:li:dataset:(urn:li:dataPlatform:hive,a,b,PROD)", "its key has 4 parts where a dataset has 3"),
        (
            "urn:li:dataset:(hive,db.orders,PROD)",
            "its key holds \"hive\" instead of a URN that starts with urn:li:dataPlatform:",
        ),
        ("urn:li:dataset:(urn:li:dataPlatform:,db.orders,PROD)", "its key holds \"urn:li:dataPlatform:\""),
        ("urn:li:dataset:(urn:li:dataPlatform:hive,,PROD)", "its key has an empty part"),
        ("urn:li:dataset:(urn:li:dataPlatform:hive,a(b,PROD)", "its key has parentheses that do not match"),
        ("urn:li:dataset:(urn:li:dataPlatform:hive,a)b,PROD)", "its key has parentheses that do not match"),
        ("urn:li:dataset:(urn:li:dataPlatform:hive,a,PROD", "its key has parentheses that do not match"),
        (
            "urn:li:chart:(looker,a,b)",
            "its key has 3 parts where a chart has 2: expected (dashboardTool,chartId)",
        ),
        ("urn:li:dataJob:((airflow,dag,PROD),task)", "instead of a URN that starts with urn:li:dataFlow:"),
        ("urn:li:schemaField:(db.t,a)", "instead of a URN that starts with urn:li:"),
    ] {
        let found = fault(urn).unwrap_or_default();
        assert!(found.contains(expected), "{urn}: {found}");
    }
}
