use super::*;
use crate::auth::FileProvider;
use crate::recipe::{Format, Recipe};

/// Reads `sink.config`; what was wrong with it comes second.
fn read(config: &str, environment: &[(&str, &str)]) -> (Option<DatahubRestConfig>, String, Vec<String>) {
    read_with(&Overrides::default(), config, environment)
}

fn read_with(
    overrides: &Overrides,
    config: &str,
    environment: &[(&str, &str)],
) -> (Option<DatahubRestConfig>, String, Vec<String>) {
    let environment = Environment::from_pairs(environment.iter().copied());
    let recipe = Recipe::parse("recipe.yml", Format::Yaml, config, &environment).unwrap();
    let mistakes = recipe.mistakes();
    let mut fields = Fields::new(Some(recipe.root()), "sink.config", &mistakes);
    let read = DatahubRestConfig::read(&mut fields, overrides, &environment).ok();
    let warnings = mistakes.take_warnings();
    fields.finish();
    let error = mistakes.into_error().err().map(|error| error.to_string()).unwrap_or_default();
    (read, error, warnings)
}

#[test]
fn the_defaults_are_those_of_datahub_s_sink() {
    let (config, error, warnings) = read("server: http://gms:8080\n", &[]);
    let config = config.unwrap();
    assert_eq!((error.as_str(), warnings), ("", Vec::new()));
    assert_eq!(config.server, Server::At("http://gms:8080".into()));
    assert!(config.tokens.is_none());
    assert_eq!(config.mode(), SinkMode::AsyncBatch);
    assert_eq!((config.limits.max_threads, config.limits.max_per_batch), (15, 100));
    assert_eq!((config.limits.max_pending_requests, config.limits.max_batch_bytes), (2_000, None));
    assert_eq!((config.timeout, config.retry.max_times), (Duration::from_secs(30), 4));
    assert_eq!(config.retry.statuses, [429, 500, 502, 503, 504]);
}

#[test]
fn the_environment_gives_defaults_and_the_recipe_wins() {
    let environment = [
        ("DATAHUB_REST_SINK_DEFAULT_MODE", "sync"),
        ("DATAHUB_REST_SINK_DEFAULT_MAX_THREADS", "3"),
        ("DATAHUB_REST_EMITTER_DEFAULT_RETRY_MAX_TIMES", "7"),
        ("DATAHUB_REST_EMITTER_BATCH_MAX_PAYLOAD_LENGTH", "20"),
    ];
    let config = read("server: http://gms:8080\nmax_threads: \"5\"\n", &environment).0.unwrap();
    assert_eq!(config.mode(), SinkMode::Sync);
    assert_eq!((config.limits.max_threads, config.limits.max_per_batch), (5, 20));
    assert_eq!(config.retry.max_times, 7);

    let (_, error, _) =
        read("server: http://gms:8080\n", &[("DATAHUB_REST_SINK_DEFAULT_MAX_THREADS", "many")]);
    assert!(error.contains("DATAHUB_REST_SINK_DEFAULT_MAX_THREADS"), "{error}");
}

#[test]
fn a_limit_that_cannot_be_honoured_is_a_mistake_that_names_its_variable() {
    for (variable, value, expected) in [
        ("DATAHUB_REST_SINK_DEFAULT_MAX_THREADS", "0", "a number of requests from 1 to 10000"),
        ("DATAHUB_REST_SINK_DEFAULT_MAX_THREADS", "10001", "a number of requests from 1 to 10000"),
        ("DATAHUB_REST_SINK_DEFAULT_MAX_THREADS", "-3", "a number of requests from 1 to 10000"),
        ("DATAHUB_REST_EMITTER_BATCH_MAX_PAYLOAD_LENGTH", "0", "a number of proposals, at least 1"),
        ("DATAHUB_REST_EMITTER_BATCH_MAX_PAYLOAD_BYTES", "0", "a number of bytes, at least 1"),
    ] {
        let (_, error, _) = read("server: http://gms:8080\n", &[(variable, value)]);
        let message =
            format!("the environment variable {variable}, which gives its default, must hold {expected}");
        assert!(error.contains(&message), "{value}: {error}");
    }
    for (key, expected) in [
        ("max_threads: 0", "a number of requests from 1 to 10000"),
        ("max_threads: 10001", "a number of requests from 1 to 10000"),
        ("max_per_batch: 0", "a number from 1 to 200"),
        ("max_batch_bytes: 0", "a number of bytes up to"),
    ] {
        let (_, error, _) = read(&format!("server: http://gms:8080\n{key}\n"), &[]);
        assert!(error.starts_with("error: recipe.yml:2:") && error.contains(expected), "{key}: {error}");
    }
}

#[test]
fn the_environment_s_limit_of_a_batch_lowers_the_recipe_s_with_a_warning() {
    let read = |config: &str, limit: &str| {
        let variable = ("DATAHUB_REST_EMITTER_BATCH_MAX_PAYLOAD_LENGTH", limit);
        let (config, error, warnings) = read(&format!("{{server: 'http://gms:8080'{config}}}"), &[variable]);
        assert_eq!(error, "");
        (config.unwrap().limits.max_per_batch, warnings.len())
    };
    // Only a number that the recipe asks for is worth a warning.
    assert_eq!(read("", "20"), (20, 0));
    assert_eq!(read(", max_per_batch: 150", "20"), (20, 1));
    assert_eq!(read(", max_per_batch: 10", "20"), (10, 0));
    // More than GMS takes in one request, as Python accepts it.
    assert_eq!(read("", "500"), (100, 0));
    assert_eq!(read(", max_per_batch: 200", "500"), (200, 0));
}

#[test]
fn a_token_of_the_environment_goes_to_the_environment_s_server_alone() {
    let environment = [("DATAHUB_GMS_URL", "http://gms:8080/"), ("DATAHUB_GMS_TOKEN", "from-environment\n")];
    let source = |config: &str, environment: &[(&str, &str)]| {
        let (config, _, mut warnings) = read(config, environment);
        warnings.retain(|warning| !warning.contains("auth.insecure-transport"));
        (config.unwrap().tokens.map(|tokens| tokens.source().to_string()), warnings.len())
    };
    let sent = (Some("env:DATAHUB_GMS_TOKEN".to_owned()), 0);
    assert_eq!(source("{}", &environment), sent);
    assert_eq!(source("server: __from_env__", &environment), sent);
    assert_eq!(source("server: http://gms:8080/api/gms", &environment), sent);
    assert_eq!(source("server: http://elsewhere:8080", &environment), (None, 1));
    assert_eq!(source("server: http://gms:8080", &environment[1..]), (None, 1));
    assert_eq!(source("{server: 'http://x:1', token: own}", &environment), (Some("recipe".into()), 0));
}

#[test]
fn all_mistakes_are_told_at_once() {
    let config =
        "server: http://user:hunter22@gms\nmax_per_batch: 201\nmode: FAST\nendpoint: grpc\ntokn: abc\n";
    let (read, error, _) = read(config, &[]);
    assert!(read.is_none());
    for part in
        ["neither user nor password", "a number from 1 to 200", "mode", "endpoint", "did you mean `token`?"]
    {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    assert!(!error.contains("hunter22"), "{error}");
}

#[test]
fn what_has_no_effect_is_a_warning_and_what_is_not_there_a_mistake() {
    let (config, error, warnings) =
        read("{server: 'http://gms:1', pool_connections: 5, pool_maxsize: 5}", &[]);
    assert!(config.is_some() && error.is_empty());
    assert_eq!(warnings.len(), 2);
    assert!(read("{server: 'http://gms:1', data: x.sqlite}", &[]).1.contains("embedded"));
}

#[test]
fn no_server_anywhere_says_what_to_do() {
    let (read, error, _) = read("{}", &[]);
    assert!(read.is_none());
    assert!(error.contains("DATAHUB_GMS_URL"), "{error}");
}

#[test]
fn a_server_that_is_given_by_hand_gets_no_token_of_another_one() {
    let token = ("DATAHUB_GMS_TOKEN", "of-production");
    let production = [("DATAHUB_GMS_URL", "http://prod:8080"), token];
    let given = |server: &str| Overrides { server: Some(server.into()), tokens: None };
    let source = |overrides: &Overrides, config: &str, environment: &[(&str, &str)]| {
        let (config, error, mut warnings) = read_with(overrides, config, environment);
        warnings.retain(|warning| !warning.contains("auth.insecure-transport"));
        assert_eq!(error, "");
        let tokens = config.unwrap().tokens;
        (tokens.map(|tokens| tokens.source().to_string()), warnings)
    };
    for config in ["{}", "server: http://prod:8080", "server: embedded"] {
        let (token, warnings) = source(&given("http://127.0.0.1:7004"), config, &production);
        assert_eq!(token, None, "{config}");
        assert!(warnings[0].contains("http://127.0.0.1:7004"), "{warnings:?}");
        assert!(warnings[0].contains("--token-file"), "{warnings:?}");
    }
    let sent = (Some("env:DATAHUB_GMS_TOKEN".to_owned()), Vec::new());
    assert_eq!(source(&given("http://prod:8080/api"), "{}", &production), sent);
    assert_eq!(source(&given("http://127.0.0.1:7004"), "{}", &[token]), sent);
    assert_eq!(source(&given("embedded"), "{}", &production), (None, Vec::new()));
    let both = Overrides { tokens: Some(Arc::new(FileProvider::new("t"))), ..given("http://127.0.0.1:7004") };
    assert_eq!(source(&both, "{}", &production), (Some("file:t".into()), Vec::new()));

    let (_, error, _) = read_with(&given("localhost"), "server: http://gms:1", &[]);
    assert!(error.contains("given in its place"), "{error}");
}

/// Where the token comes from, with these keys and variables.
fn source(config: &str, environment: &[(&str, &str)]) -> Result<Option<String>, String> {
    let (config, error, _) = read(config, environment);
    let config = config.filter(|_| error.is_empty()).ok_or(error)?;
    Ok(config.tokens.map(|tokens| tokens.source().to_string()))
}

#[test]
fn one_order_says_which_token_counts() {
    const SERVER: (&str, &str) = ("DATAHUB_GMS_URL", "http://gms:1");
    const AUTH: (&str, &str) = ("DATAHUB_AUTH_TYPE", "k8s_oidc");
    const FILE: (&str, &str) = ("DATAHUB_AUTH_TOKEN_FILE", "/run/token");
    const TOKEN: (&str, &str) = ("DATAHUB_GMS_TOKEN", "x");
    const ID: (&str, &str) = ("DATAHUB_SYSTEM_CLIENT_ID", "id");
    const SECRET: (&str, &str) = ("DATAHUB_SYSTEM_CLIENT_SECRET", "s3cr3t-s3cr3t");
    for (config, environment, expected) in [
        ("{}", vec![SERVER, AUTH, FILE, TOKEN], Some("file:/run/token")),
        ("server: http://gms:1/api", vec![SERVER, AUTH, FILE], Some("file:/run/token")),
        ("server: http://other:1", vec![SERVER, AUTH, FILE], None),
        ("token: own", vec![SERVER, AUTH], Some("recipe")),
        ("extra_headers: {authorization: Basic x}", vec![SERVER, AUTH], None),
        ("server: embedded", vec![SERVER, AUTH, ID, SECRET], None),
        ("server: http://other:1", vec![ID, SECRET], Some("system-client")),
        ("server: http://other:1", vec![ID], None),
        ("{server: 'http://other:1', token: own}", vec![ID, SECRET], Some("recipe")),
        ("{}", vec![SERVER, TOKEN, ID, SECRET], Some("env:DATAHUB_GMS_TOKEN")),
        ("{}", vec![SERVER, ("DATAHUB_AUTH_TYPE", "pat"), TOKEN], Some("env:DATAHUB_GMS_TOKEN")),
    ] {
        assert_eq!(source(config, &environment), Ok(expected.map(str::to_owned)), "{config} {environment:?}");
    }
    for (environment, word) in [
        (vec![SERVER, ("DATAHUB_AUTH_TYPE", "pat")], "DATAHUB_AUTH_TOKEN_FILE or DATAHUB_GMS_TOKEN"),
        (vec![SERVER, ("DATAHUB_AUTH_TYPE", "azure_entra")], "command"),
        (vec![SERVER, ("DATAHUB_AUTH_TYPE", "magic")], "pat, k8s_oidc"),
        (vec![SERVER, ("DATAHUB_AUTH_TYPE", "oidc_client_credentials")], "DATAHUB_AUTH_TOKEN_ENDPOINT"),
    ] {
        let error = source("{}", &environment).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn each_provider_has_its_keys() {
    for (auth, expected) in [
        ("{type: static, config: {token: abc}}", "recipe"),
        ("{type: pat, config: {token: abc}}", "recipe"),
        ("{type: PAT, config: {token_file: /run/t}}", "file:/run/t"),
        ("{type: k8s_oidc}", "file:/var/run/secrets/eks.amazonaws.com/serviceaccount/token"),
        ("{type: k8s_oidc, config: {token_file: /run/t, audience: gms}}", "file:/run/t"),
        (
            "{type: oidc_client_credentials, config: {token_endpoint: 'https://idp/token', client_id: a, client_secret: b, scope: s}}",
            "oidc",
        ),
        ("{type: command, config: {command: [pass, show, datahub], timeout_sec: 5}}", "command"),
        ("{type: env, config: {name: MY_TOKEN}}", "env:MY_TOKEN"),
    ] {
        let found = source(&format!("{{server: 'http://gms:1', auth: {auth}}}"), &[("MY_TOKEN", "x")]);
        assert_eq!(found, Ok(Some(expected.to_owned())), "{auth}");
    }
}

#[test]
fn what_is_wrong_with_a_provider_is_told_where_it_is() {
    for (auth, word) in [
        ("{config: {}}", "auth.type"),
        ("{type: azure_entra, config: {tenant_id: t}}", "command"),
        ("{type: oauth_session}", "command"),
        ("{type: acme_sso, config: {a: 1}}", "plug-ins"),
        ("{type: static}", "auth.config.token"),
        ("{type: pat, config: {token: a, token_file: b}}", "leave one of them out"),
        ("{type: pat}", "token_file"),
        ("{type: command, config: {command: []}}", "the program and its arguments"),
        ("{type: command, config: {command: [a], tmeout_sec: 1}}", "did you mean `timeout_sec`?"),
        ("{type: env, config: {name: NOT_SET}}", "NOT_SET is not set"),
        (
            "{type: oidc_client_credentials, config: {token_endpoint: idp, client_id: a, client_secret: s3cr3t-s3cr3t}}",
            "token_endpoint",
        ),
    ] {
        let error = source(&format!("{{server: 'http://gms:1', auth: {auth}}}"), &[]).unwrap_err();
        assert!(error.contains(word) && !error.contains("s3cr3t"), "{word}: {error}");
    }
    let both = source("{server: 'http://gms:1', token: a, auth: {type: k8s_oidc}}", &[]).unwrap_err();
    assert!(both.contains("leave one of them out"), "{both}");
}

#[test]
fn a_token_over_an_open_network_is_a_warning_or_an_error() {
    let warned = |config: &str| {
        let (_, error, warnings) = read(config, &[]);
        (warnings.iter().any(|warning| warning.contains("auth.insecure-transport")), error)
    };
    assert!(warned("{server: 'http://gms:8080', token: abc}").0);
    assert!(warned("{server: 'http://gms:8080', extra_headers: {Authorization: abc}}").0);
    for config in [
        "{server: 'https://gms', token: abc, require_https: true}",
        "{server: 'http://127.0.0.1:8080', token: abc, require_https: true}",
        "{server: 'http://gms:8080', require_https: true}",
    ] {
        assert_eq!(warned(config), (false, String::new()), "{config}");
    }
    let (warned, error) = warned("{server: 'http://gms:8080', token: abc, require_https: true}");
    assert!(!warned && error.contains("unencrypted") && error.contains("require_https"), "{error}");
}

type Modes = (SinkMode, Endpoint, EmitMode);

fn delivery(config: &str, environment: &[(&str, &str)]) -> Result<(Modes, Vec<String>), String> {
    let (config, error, warnings) = read(&format!("{{server: 'http://gms:1', {config}}}"), environment);
    let config = config.filter(|_| error.is_empty()).ok_or(error)?;
    Ok(((config.mode(), config.endpoint(), config.emit_mode()), warnings))
}

#[test]
fn how_proposals_are_delivered_is_said_by_three_keys() {
    use EmitMode::{Async as Queued, AsyncWait, SyncPrimary, SyncWait};
    use Endpoint::{Openapi, Restli};
    use SinkMode::{Async, AsyncBatch, Sync};
    for (config, expected) in [
        ("", (AsyncBatch, Restli, Queued)),
        ("mode: sync", (Sync, Restli, SyncPrimary)),
        ("mode: ASYNC, endpoint: openapi", (Async, Openapi, Queued)),
        ("mode: SYNC, endpoint: OPENAPI, emit_mode: SYNC_WAIT", (Sync, Openapi, SyncWait)),
        ("emit_mode: SYNC_PRIMARY", (AsyncBatch, Restli, SyncPrimary)),
        ("endpoint: openapi, emit_mode: async_wait, trace_timeout_sec: 5", (AsyncBatch, Openapi, AsyncWait)),
    ] {
        assert_eq!(delivery(config, &[]), Ok((expected, Vec::new())), "{config}");
    }
}

#[test]
fn waiting_that_the_endpoint_does_not_have_is_told_with_the_one_that_has_it() {
    let error = delivery("emit_mode: ASYNC_WAIT", &[]).unwrap_err();
    assert!(error.contains("endpoint: openapi"), "{error}");
    let error = delivery("", &[("DATAHUB_EMIT_MODE", "ASYNC_WAIT")]).unwrap_err();
    assert!(error.contains("endpoint: openapi"), "{error}");
    let (_, warnings) = delivery("mode: SYNC, emit_mode: SYNC_WAIT", &[]).unwrap();
    assert!(warnings.len() == 1 && warnings[0].contains("endpoint: openapi"), "{warnings:?}");
    let error = delivery("mode: SYNC, emit_mode: ASYNC", &[]).unwrap_err();
    assert!(error.contains("contradicts"), "{error}");
}

#[test]
fn the_environment_picks_an_endpoint_and_a_variant_of_the_mode() {
    let openapi = ("DATAHUB_REST_EMITTER_DEFAULT_ENDPOINT", "openapi");
    let mode = |config, environment: &[(&str, &str)]| delivery(config, environment).unwrap();
    assert_eq!(mode("", &[openapi]).0.1, Endpoint::Openapi);
    assert_eq!(mode("endpoint: restli", &[openapi]).0.1, Endpoint::Restli);
    let wait = ("DATAHUB_EMIT_MODE", "ASYNC_WAIT");
    assert_eq!(
        mode("", &[openapi, wait]),
        ((SinkMode::AsyncBatch, Endpoint::Openapi, EmitMode::AsyncWait), vec![])
    );
    assert_eq!(mode("emit_mode: ASYNC", &[openapi, wait]).0.2, EmitMode::Async);
    let (found, warnings) = mode("mode: SYNC", &[openapi, wait]);
    assert_eq!(found.2, EmitMode::SyncPrimary);
    assert!(warnings.len() == 1 && warnings[0].contains("DATAHUB_EMIT_MODE"), "{warnings:?}");
    assert!(delivery("", &[("DATAHUB_EMIT_MODE", "NEVER")]).unwrap_err().contains("DATAHUB_EMIT_MODE"));
}

#[test]
fn a_request_gets_some_time() {
    for timeout in ["0", "0.0", "-1"] {
        let (_, error, _) = read(&format!("{{server: 'http://gms:1', timeout_sec: {timeout}}}"), &[]);
        assert!(error.contains("a number of seconds above 0"), "{error}");
    }
    let (config, _, warnings) = read("{server: 'http://gms:1', timeout_sec: 0.5}", &[]);
    assert_eq!(config.unwrap().timeout, Duration::from_millis(500));
    assert!(warnings.len() == 1 && warnings[0].contains("timeout_sec"), "{warnings:?}");
}
