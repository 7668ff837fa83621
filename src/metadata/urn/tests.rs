use super::*;

fn problem(urn: &str) -> Option<String> {
    Urn::parse_lenient(urn).unwrap().storage_problem()
}

#[test]
fn a_urn_has_an_entity_type_and_a_key() {
    let urn = Urn::parse("urn:li:dataset:(urn:li:dataPlatform:hive,db.orders,PROD)").unwrap();
    assert_eq!(urn.entity_type(), "dataset");
    assert_eq!(urn.key(), "(urn:li:dataPlatform:hive,db.orders,PROD)");
    assert_eq!(Urn::parse("urn:li:tag:a/b é").unwrap().path_segment(), "urn%3Ali%3Atag%3Aa%2Fb%20%C3%A9");
}

#[test]
fn other_texts_are_not_urns() {
    for text in ["", "urn:li:", "urn:li:tag", "urn:li:tag:", "urn:li::x", "urn:x:tag:y", "tag:y"] {
        let error = Urn::parse(text).unwrap_err().to_string();
        assert_eq!(error, format!("not a URN: expected urn:li:<entity type>:<key>, found {text:?}"));
    }
}

#[test]
fn parse_accepts_no_surrounding_white_space_and_no_control_characters() {
    for (text, expected) in [
        (" urn:li:tag:x", "no white space at either end"),
        ("urn:li:tag:x\n", "no white space at either end"),
        ("urn:li:tag:x\u{a0}", "no white space at either end"),
        ("urn:li:tag:a\nb", "no control characters"),
        ("urn:li:tag:a\0b", "no control characters"),
    ] {
        let error = format!("not a URN: expected {expected}, found {text:?}");
        assert_eq!(Urn::parse(text).unwrap_err().to_string(), error);
        assert_eq!(Urn::try_from(text).unwrap_err().to_string(), error);
        assert_eq!(Urn::try_from(text.to_owned()).unwrap_err().to_string(), error);
        assert!(text.parse::<Urn>().is_err() && Urn::parse_lenient(text).is_ok());
        let json = serde_json::to_string(text).unwrap();
        assert!(serde_json::from_str::<Urn>(&json).unwrap_err().to_string().starts_with(&error));
    }
}

#[test]
fn a_urn_serialises_as_its_text() {
    let urn = Urn::parse("urn:li:tag:a\"é").unwrap();
    let json = serde_json::to_string(&urn).unwrap();
    assert_eq!(json, r#""urn:li:tag:a\"é""#);
    assert_eq!(serde_json::from_str::<Urn>(&json).unwrap(), urn);
    assert_eq!(urn.as_ref(), urn.as_str());
}

#[test]
fn constructors_encode_the_parts_of_keys() {
    let flow = Urn::data_flow("airflow", "a,b", "PROD").unwrap();
    let hive = Urn::dataset("hive", "db.t", "PROD").unwrap();
    for (urn, expected) in [
        (
            Urn::dataset("urn:li:dataPlatform:s3", "a (b)", "dev"),
            "dataset:(urn:li:dataPlatform:s3,a %28b%29,DEV)",
        ),
        (
            Urn::ml_model("sagemaker", "a␟b%2C", "PROD"),
            "mlModel:(urn:li:dataPlatform:sagemaker,a%E2%90%9Fb%2C,PROD)",
        ),
        (Urn::data_job(&flow, "load"), "dataJob:(urn:li:dataFlow:(airflow,a%2Cb,PROD),load)"),
        (
            Urn::schema_field(&hive, "a,b"),
            "schemaField:(urn:li:dataset:(urn:li:dataPlatform:hive,db.t,PROD),a%2Cb)",
        ),
        (Urn::data_platform_instance("hive", "eu"), "dataPlatformInstance:(urn:li:dataPlatform:hive,eu)"),
        (Urn::data_platform("hive"), "dataPlatform:hive"),
        (Urn::chart("looker", "1"), "chart:(looker,1)"),
        (Urn::dashboard("looker", "1"), "dashboard:(looker,1)"),
        (Urn::container("ab12"), "container:ab12"),
        (Urn::tag("a/b é"), "tag:a/b é"),
        (Urn::glossary_term("Sales.Order"), "glossaryTerm:Sales.Order"),
        (Urn::glossary_node("Sales"), "glossaryNode:Sales"),
        (Urn::domain("sales"), "domain:sales"),
        (Urn::data_product("orders"), "dataProduct:orders"),
        (Urn::corp_user("jane@example.org"), "corpuser:jane@example.org"),
        (Urn::corp_group("team"), "corpGroup:team"),
    ] {
        let urn = urn.unwrap();
        assert_eq!(urn.as_str(), format!("urn:li:{expected}"));
        assert_eq!(urn.storage_problem(), None);
    }
    for wrong in [
        Urn::dataset("", "t", "PROD"),
        Urn::dataset("hive", "", "PROD"),
        Urn::dataset("hive", "a\nb", "PROD"),
        Urn::tag(""),
        Urn::tag("x "),
        Urn::data_job(&hive, "load"),
    ] {
        assert!(wrong.unwrap_err().to_string().starts_with("not a URN: expected "));
    }
}

#[test]
fn good_urns_have_no_problem() {
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
        assert_eq!(problem(urn), None, "{urn}");
    }
}

#[test]
fn white_space_at_an_end_is_a_problem() {
    for urn in [" urn:li:tag:x", "urn:li:tag:x ", "urn:li:tag:x\n", "urn:li:tag:x\u{a0}"] {
        assert!(problem(urn).unwrap().contains("white space"), "{urn:?}");
    }
    assert_eq!(problem("urn:li:tag:a b"), None);
}

#[test]
fn the_separator_of_the_search_index_is_a_problem() {
    assert!(problem("urn:li:tag:a␟b").unwrap().contains('␟'));
}

#[test]
fn the_length_is_that_of_the_encoded_form() {
    // `urn:li:tag:` encodes to 17 bytes, an é to 6.
    let most = format!("urn:li:tag:{}", "a".repeat(MAX_ENCODED_BYTES - 17));
    assert_eq!(problem(&most), None);
    assert!(problem(&format!("{most}a")).unwrap().contains("513 bytes"));
    assert!(problem(&format!("urn:li:tag:{}", "é".repeat(83))).unwrap().contains("515 bytes"));
    let field = format!("urn:li:schemaField:(urn:li:tag:x,{})", "a".repeat(600));
    assert_eq!(problem(&field), None);
}

#[test]
fn bad_key_parts_are_storage_problems() {
    for (urn, expected) in [
        ("urn:li:dataset:db.orders", "its key has 1 part where a dataset has 3"),
        ("urn:li:dataset:(urn:li:dataPlatform:hive,db.orders)", "its key has 2 parts where a dataset has 3"),
        ("urn:li:dataset:(urn:li:dataPlatform:hive,a,b,PROD)", "its key has 4 parts where a dataset has 3"),
        (
            "urn:li:dataset:(hive,db.orders,PROD)",
            "its key contains \"hive\" instead of a URN that starts with urn:li:dataPlatform:",
        ),
        ("urn:li:dataset:(urn:li:dataPlatform:,db.orders,PROD)", "its key contains \"urn:li:dataPlatform:\""),
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
        let found = problem(urn).unwrap_or_default();
        assert!(found.contains(expected), "{urn}: {found}");
    }
}
