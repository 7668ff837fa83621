//! The entity registry over OpenAPI.

use super::*;

const MODELS: &str = "/openapi/v1/registry/models";

#[tokio::test]
async fn entity_types_are_listed_page_by_page() {
    let gms = start().await;
    let mut names = Vec::new();
    loop {
        let path = format!("{MODELS}/entity/specifications?start={}&count=50", names.len());
        let page = value(get(&gms, &path).await, 200).await;
        assert_eq!(page["start"], names.len());
        let elements = page["elements"].as_array().unwrap();
        assert_eq!(page["count"], elements.len());
        for element in elements {
            assert_eq!(element["keyAspectSpec"]["aspectAnnotation"]["name"], element["keyAspectName"]);
            names.push(element["name"].as_str().unwrap().to_owned());
        }
        if page["total"] == names.len() {
            break;
        }
    }
    assert!(names.iter().map(|name| name.to_lowercase()).is_sorted());
    assert!(names.len() > 70 && names.iter().any(|name| name == "dataset"));
    let page = value(get(&gms, &format!("{MODELS}/entity/specifications")).await, 200).await;
    assert_eq!(page["count"], 5);
    let wrong = value(get(&gms, &format!("{MODELS}/entity/specifications?start=999")).await, 400).await;
    assert!(wrong["error"].as_str().unwrap().starts_with("Start offset 999 exceeds total "), "{wrong}");
    assert_eq!(get(&gms, &format!("{MODELS}/entity/specifications?count=many")).await.status(), 400);
}

#[tokio::test]
async fn one_entity_type_and_one_aspect() {
    let gms = start().await;
    let of = async |path: &str, status| text(get(&gms, &format!("{MODELS}/{path}")).await, status).await;
    let json = async |path: &str| serde_json::from_str::<Value>(&of(path, 200).await).unwrap();
    let profile = json!({"aspectAnnotation": {"name": "datasetProfile", "timeseries": true}});
    let dataset = json("entity/specifications/dataset").await;
    assert_eq!(dataset["name"], "dataset");
    assert!(dataset["aspectSpecs"].as_array().unwrap().contains(&profile));
    assert_eq!(json("entity/specifications/dataset/aspects").await["datasetProfile"], profile);
    assert_eq!(json("aspect/specifications/datasetProfile").await, profile);
    assert_eq!(json("aspect/specifications?start=20").await["count"], 20);
    for path in ["entity/specifications/x", "entity/specifications/x/aspects", "aspect/specifications/x"] {
        assert_eq!(of(path, 404).await, "", "{path}");
    }
}

#[tokio::test]
async fn the_registry_needs_the_privilege_to_manage_the_system() {
    let users = Gms::builder().user(User::new("nobody"));
    let gms = users.user(User::new("keeper").privilege("MANAGE_SYSTEM_OPERATIONS")).start().await.unwrap();
    let tokens = [gms.create_token("nobody").await.unwrap(), gms.create_token("keeper").await.unwrap()];
    for rest in [
        "entity/specifications",
        "entity/specifications/dataset",
        "aspect/specifications",
        "aspect/specifications/status",
    ] {
        for (token, status) in [(tokens[0].as_str(), 403), (&tokens[1], 200), ("no token", 401)] {
            let sent = client().get(format!("{}{MODELS}/{rest}", gms.url())).bearer_auth(token);
            let body = text(sent.send().await.unwrap(), status).await;
            assert_eq!(body.is_empty(), status == 403, "{rest}: {body}");
        }
    }
}
