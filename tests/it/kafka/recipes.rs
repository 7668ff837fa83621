//! Mistakes in the keys of the sink.

use crate::support::sandbox::{Sandbox, tag};

fn check(sink: &str) -> crate::support::sandbox::Ran {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tag("a"));
    sandbox.write(
        "recipe.yml",
        &format!("source: {{type: file, config: {{path: tags.jsonl}}}}\nsink:\n  type: datahub-kafka\n  config:\n{sink}"),
    );
    sandbox.run(&["check", "recipe.yml", "--offline"])
}

#[test]
fn mistakes_have_a_place_and_librdkafkas_text() {
    for (sink, place, text) in [
        (
            "    connection:\n      producer_config:\n        no.such.key: 1\n",
            "recipe.yml:7:9",
            "No such configuration property: \"no.such.key\"",
        ),
        (
            "    connection:\n      producer_config:\n        acks: banana\n",
            "recipe.yml:7:15",
            "Invalid value for configuration property \"request.required.acks\"",
        ),
        (
            "    connection:\n      producer_config:\n        oauth_cb: my.module:token\n",
            "recipe.yml:7:9",
            "sasl.oauthbearer.method=oidc",
        ),
        ("    connection:\n      foo: 1\n", "recipe.yml:6:7", "unknown key `foo`"),
        ("    connection:\n      bootstrap: http://kafka:9092\n", "recipe.yml:6:18", "host:port"),
        ("    topic_routes: {MetadataChangeEvent: my.mce}\n", "recipe.yml:5:", "MetadataChangeProposal"),
        (
            "    connection:\n      schema_registry_config:\n        no.such.key: x\n",
            "recipe.yml:7:9",
            "no such property",
        ),
        ("    connection:\n      schema_registry_url: kafka:8081\n", "recipe.yml:6:28", "http://"),
    ] {
        let ran = check(sink).ends_with(2);
        assert!(ran.stderr.contains(place) && ran.stderr.contains(text), "{sink}{ran:#?}");
    }
}

#[test]
fn every_property_of_python_and_librdkafka_is_accepted() {
    check(
        "    max_queue_full_block_seconds: 6
    topic: legacy
    connection:
      bootstrap: kafka-1:9092,kafka-2:9092
      client_timeout_seconds: 30
      schema_registry_url: http://user:secret@registry:8081/prefix,http://other:8081
      schema_registry_config: {basic.auth.user.info: 'user:p@ss', ssl.ca.location: ca.pem, timeout: 3}
      producer_config:
        security.protocol: SASL_SSL
        sasl.mechanism: SCRAM-SHA-512
        sasl.username: loader
        sasl.password: sesame-open
        linger.ms: 50
        enable.idempotence: true
        compression.type: gzip
        partitioner: murmur2_random
",
    )
    .ends_with(0);
}

#[test]
fn no_secret_is_shown() {
    for (sink, secret) in [
        ("    connection:\n      producer_config: {sasl.password: [hush-hush-1]}\n", "hush-hush-1"),
        ("    connection:\n      producer_config: {sasl.pasword: hush-hush-2}\n", "hush-hush-2"),
        (
            "    connection:\n      schema_registry_config: {basic.auth.user.info: hush-hush-3}\n",
            "hush-hush-3",
        ),
        ("    connection:\n      schema_registry_url: ftp://user:hush-hush-4@registry\n", "hush-hush-4"),
    ] {
        let ran = check(sink).ends_with(2);
        assert!(!ran.stderr.contains(secret) && !ran.stdout.contains(secret), "{ran:#?}");
    }
}
