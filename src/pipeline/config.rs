//! The top-level keys of a recipe (`PipelineConfig` of DataHub's Python client).

use std::path::PathBuf;

use url::Url;

use super::datahub_report::ReportedRecipe;
use super::limits::FailureLimits;
use super::options::Options;
use super::report::RunsIn;
use super::state_directory::{self, PipelineKey};
use super::stateful::{StateKey, StatefulConfig};
use super::transformers;
use crate::environment::Environment;
use crate::recipe::{Fields, Mistakes, Node, Recipe, RecipeError, Value};
use crate::sink::datahub_rest::{DATAHUB_REST, DatahubRestConfig, DatahubRestSink, Overrides};
use crate::sink::{DATAHUB_KAFKA, OpenSink, OpenedSink, SinkRegistry};
#[cfg(unix)]
use crate::source::python::{PythonOptions, PythonSource, PythonSourceConfig};
use crate::source::{OpenSource, Source};
use crate::transform::Chain;

/// Names the default sink of DataHub's Python client.
const DEFAULT_SINK_VARIABLE: &str = "DATAHUB_INGESTION_DEFAULT_SINK";

/// The default of `spool_max_bytes`: 2 GiB.
const SPOOL_MAX_BYTES: u64 = 2 << 30;

/// The value of `sink.config.server` for the GMS inside this process.
const EMBEDDED: &str = "embedded";

/// The configuration that a recipe contains.
pub(super) struct Config {
    pub(super) source_type: String,
    pub(super) source_runs_in: RunsIn,
    /// The types of the transformers that run in a child process.
    pub(super) python_transformers: Vec<String>,
    pub(super) spool_max_bytes: u64,
    pub(super) sink_type: String,
    pub(super) open_source: OpenSource,
    /// The source, if it runs in Python: a check asks it.
    #[cfg(unix)]
    pub(super) python: Option<(PythonSourceConfig, PythonOptions)>,
    pub(super) open_sink: OpenSink,
    pub(super) chain: Chain,
    /// The server that transformers ask and that keeps the state, in place of the sink's.
    pub(super) datahub_api: Option<Box<DatahubRestConfig>>,
    /// The embedded GMS, if the sink writes to it.
    pub(super) embedded: Option<EmbeddedTarget>,
    pub(super) run_id: Option<String>,
    pub(super) pipeline_name: Option<String>,
    pub(super) reporting: Reporting,
    /// The recipe as a report in DataHub shows it.
    pub(super) reported: ReportedRecipe,
    pub(super) stateful: StatefulConfig,
    /// Whose state is kept, if one is.
    pub(super) state_key: Option<StateKey>,
    pub(super) dead_letters: Option<PathBuf>,
    pub(super) set_system_metadata: bool,
    pub(super) set_pipeline_name: bool,
    pub(super) limits: FailureLimits,
    pub(super) key: PipelineKey,
    /// The server's address without credentials, or the type of sink.
    pub(super) writes_to: String,
    /// The default for the directory that holds the state directories of pipelines.
    pub(super) state_root: Option<PathBuf>,
    pub(super) warnings: Vec<String>,
}

/// The embedded GMS that a recipe names.
pub(super) struct EmbeddedTarget {
    /// Its data file; `None` for the default one.
    pub(super) data: Option<PathBuf>,
}

impl Config {
    /// Reads all keys, those of the source and the sink included.
    ///
    /// # Errors
    /// All mistakes at once.
    pub(super) fn read(recipe: &Recipe, options: &Options) -> Result<Self, RecipeError> {
        let mistakes = recipe.mistakes();
        let environment = recipe.environment();
        let root = recipe.root();
        let mut fields = Fields::new(Some(root), "", &mistakes);
        let ReadSource { kind: source_type, runs_in: source_runs_in, has_child, open: open_source, stateful } =
            read_source(&mut fields, recipe, options);
        let sinks = with_servers(options, environment);
        let (sink_type, open_sink) = read_sink(&mut fields, &sinks, environment);
        let has_gms = has_gms(&sink_type, root.get("sink"));
        let (datahub_api, chain) = if has_child {
            // The child reads both.
            fields.node("datahub_api");
            fields.node("transformers");
            (None, Chain::new(Vec::new()))
        } else {
            read_transformers(&mut fields, has_gms, &stateful, options, environment)
        };
        let pipeline_name = fields.string("pipeline_name").filter(|name| !name.is_empty());
        let run_id = fields.string("run_id").filter(|run_id| !run_id.is_empty());
        if options.shard.is_some() && keeps_state(root) {
            let message = "`stateful_ingestion` cannot be used with --shard: a sender that sees all entities as its own \
                           would not know which of them the others deliver";
            fields.mistake("source", message);
        }
        let state_key = read_state_key(&mut fields, pipeline_name.as_deref(), has_gms, &stateful);
        let reporting = read_reporting(&mut fields, &sink_type);
        let dead_letters = read_failure_log(&mut fields);
        let (set_system_metadata, set_pipeline_name) = read_flags(&mut fields, source_runs_in);
        let limits = FailureLimits::read(&mut fields);
        let spool_max_bytes = fields
            .number("spool_max_bytes", 1 << 20..=u64::MAX, "a number of bytes, 1048576 or more")
            .unwrap_or(SPOOL_MAX_BYTES);
        read_unsupported_keys(&mut fields);
        fields.finish();
        refuse_to_replace_the_input(root, &mistakes);
        let warnings = mistakes.take_warnings();
        let (open_source, open_sink) = mistakes.into_result(open_source.zip(open_sink))?;

        let source_config = root.get("source").and_then(|source| source.get("config"));
        let reported =
            reported_recipe(recipe, &source_type, pipeline_name.as_deref(), reporting.shows_recipe);
        let sink = root.get("sink").and_then(|sink| sink.get("config"));
        let server = options.server.as_deref().or_else(|| sink.and_then(|config| text(config, "server")));
        let origin = match sink_type.as_str() {
            DATAHUB_REST => server_origin(server, environment),
            DATAHUB_KAFKA => Some(kafka_origin(sink)),
            _ => None,
        };
        let key = if let Some(name) = &pipeline_name {
            PipelineKey::of_name(name)
        } else {
            // JSON objects of serde_json are sorted by their keys.
            let config = source_config.map(|config| config.to_json().to_string()).unwrap_or_default();
            PipelineKey::of_parts(&source_type, &config, &sink_type, origin.as_deref())
        };
        let key = match options.shard {
            Some(shard) => key.of_shard(shard),
            None => key,
        };
        let into_embedded = match options.server.as_deref() {
            _ if sink_type != DATAHUB_REST => false,
            Some(server) => server == EMBEDDED,
            None => sink.is_some_and(|config| text(config, "server").map(str::trim) == Some(EMBEDDED)),
        };
        let embedded = into_embedded.then(|| EmbeddedTarget {
            data: sink.and_then(|config| text(config, "data")).map(PathBuf::from),
        });
        Ok(Self {
            #[cfg(unix)]
            python: (source_runs_in == RunsIn::Python)
                .then(|| (PythonSourceConfig::new(recipe, &source_type), options.python.clone())),
            source_type,
            source_runs_in,
            python_transformers: if has_child { transformers::types(recipe) } else { Vec::new() },
            spool_max_bytes,
            writes_to: origin.unwrap_or_else(|| sink_type.clone()),
            sink_type,
            open_source,
            open_sink,
            chain,
            datahub_api,
            embedded,
            run_id,
            pipeline_name,
            reporting,
            reported,
            stateful,
            state_key,
            dead_letters,
            set_system_metadata,
            set_pipeline_name,
            limits,
            key,
            state_root: state_directory::default_root(
                environment.get("XDG_STATE_HOME"),
                std::env::home_dir(),
            ),
            warnings,
        })
    }
}

/// Adds the sinks `datahub-rest` and `datahub-kafka` to the registry, unless the caller has registered others
/// under their names. They are added for each recipe because they take defaults from the environment, and
/// because only a run may start the embedded GMS.
fn with_servers(options: &Options, environment: &Environment) -> SinkRegistry {
    let mut sinks = options.sinks.clone();
    #[cfg(feature = "kafka")]
    if !sinks.types().any(|known| known == DATAHUB_KAFKA) {
        register_datahub_kafka(&mut sinks, environment.clone());
    }
    if sinks.types().any(|known| known == DATAHUB_REST) {
        return sinks;
    }
    #[cfg(feature = "embedded")]
    let start = Some(super::embedded::starter(environment.clone()));
    #[cfg(not(feature = "embedded"))]
    let start: Option<crate::sink::datahub_rest::StartEmbedded> = None;
    let overrides = Overrides { server: options.server.clone(), tokens: options.tokens.clone() };
    let environment = environment.clone();
    sinks.register(DATAHUB_REST, move |fields| {
        let config = DatahubRestConfig::read(fields, &overrides, &environment)?;
        let start = start.clone();
        Ok(Box::new(move |context| {
            Box::pin(async move {
                let sink = DatahubRestSink::open(config, start.as_ref(), &context).await?;
                Ok(OpenedSink::gms(sink))
            })
        }))
    });
    sinks
}

/// The file sink replaces its file at the end, which would destroy the input.
fn refuse_to_replace_the_input(root: &Node, mistakes: &Mistakes) {
    let config = |kind: &str| {
        let part = root.get(kind)?;
        part.get("config").filter(|_| part.get("type").and_then(Node::as_str) == Some("file"))
    };
    let (Some(source), Some(sink)) = (config("source"), config("sink")) else { return };
    let (Some(path), Some(node)) = (text(source, "path").or(text(source, "filename")), sink.get("filename"))
    else {
        return;
    };
    let real = |path: &str| std::fs::canonicalize(path).ok();
    let Some(filename) = node.as_str() else { return };
    if path == filename || real(path).is_some_and(|path| real(filename) == Some(path)) {
        mistakes.at(node, "`sink.config.filename`: this is the file that the source reads; name another one");
    }
}

#[cfg(feature = "kafka")]
fn register_datahub_kafka(sinks: &mut SinkRegistry, environment: Environment) {
    use crate::sink::datahub_kafka::{DatahubKafkaConfig, DatahubKafkaSink};
    sinks.register(DATAHUB_KAFKA, move |fields| {
        let config = DatahubKafkaConfig::read(fields, &environment)?;
        Ok(Box::new(move |context| {
            Box::pin(async move { DatahubKafkaSink::open(config, &context).await.map(OpenedSink::checked) })
        }))
    });
}

fn text<'a>(config: &'a Node, key: &str) -> Option<&'a str> {
    config.get(key).and_then(Node::as_str)
}

/// The server that the sink writes to, without user, password, path and query.
fn server_origin(server: Option<&str>, environment: &Environment) -> Option<String> {
    let server = server
        .or_else(|| environment.get("DATAHUB_GMS_URL"))
        .or_else(|| environment.get("DATAHUB_GMS_HOST"))?;
    // A text that is not an address (`embedded`, a host alone) is used as it is.
    Some(Url::parse(server).map_or_else(|_| server.to_owned(), |url| url.origin().ascii_serialization()))
}

/// Whether the source keeps state, whichever language it runs in.
fn keeps_state(recipe: &Node) -> bool {
    let config = recipe.get("source").and_then(|source| source.get("config"));
    let stateful = config.and_then(|config| config.get("stateful_ingestion"));
    stateful.and_then(|stateful| stateful.get("enabled")).is_some_and(is_true)
}

/// Whether the sink has a GMS: `datahub-rest`, and `datahub-kafka` with `rest_fallback`.
fn has_gms(sink_type: &str, sink: Option<&Node>) -> bool {
    let fallback = || sink.and_then(|sink| sink.get("config")).and_then(|config| config.get("rest_fallback"));
    match sink_type {
        DATAHUB_REST => true,
        DATAHUB_KAFKA => fallback().is_some_and(|fallback| !fallback.is_null()),
        _ => false,
    }
}

/// The brokers and the topic that the sink writes to.
fn kafka_origin(sink: Option<&Node>) -> String {
    let member = |block, key| sink.and_then(|config| config.get(block)).and_then(|block| text(block, key));
    let bootstrap = member("connection", "bootstrap").unwrap_or("localhost:9092");
    let topic = member("topic_routes", "MetadataChangeProposal").unwrap_or("MetadataChangeProposal_v1");
    format!("{bootstrap}/{topic}")
}

/// The source of a recipe.
struct ReadSource {
    kind: String,
    runs_in: RunsIn,
    /// The transformers, and perhaps the source, run in a child process.
    has_child: bool,
    open: Option<OpenSource>,
    stateful: StatefulConfig,
}

fn read_source(fields: &mut Fields<'_>, recipe: &Recipe, options: &Options) -> ReadSource {
    fields.missing("source", "a mapping with the keys `type` and `config`");
    let given = fields.has("source");
    let mut source = fields.block("source");
    let mut config = source.block("config");
    let mut open = None;
    let mut runs_in = RunsIn::Native;
    let mut stateful = StatefulConfig::default();
    let kind = source.string("type");
    if let Some(kind) = &kind {
        #[cfg(unix)]
        if options.sources.is_foreign(kind) {
            runs_in = RunsIn::Python;
            open = Some(python_source(kind, recipe, options));
        }
        if runs_in == RunsIn::Native {
            // The state is the run's business, and the same for every source.
            stateful = StatefulConfig::read(&mut config);
        }
        match options.sources.configure(kind, &mut config) {
            _ if runs_in == RunsIn::Python => {}
            Ok(configured) => {
                open = configured.ok();
                config.finish();
            }
            // The keys of an unknown source are unknown, too.
            Err(unknown) => source.mistake("type", unknown.to_string()),
        }
    } else if given {
        source.missing("type", "the name of a source, for example `file`");
    }
    if runs_in == RunsIn::Python {
        source.node("extractor");
        source.node("extractor_config");
        source.finish();
        return ReadSource { kind: kind.unwrap_or_default(), runs_in, has_child: true, open, stateful };
    }
    if source.string("extractor").is_some_and(|extractor| extractor != "generic") {
        fields.warn("`source.extractor` has no effect here: every source makes proposals itself");
    }
    source.ignored("extractor_config", "every source makes proposals itself");
    source.finish();
    let kind = kind.unwrap_or_default();
    #[cfg(unix)]
    if transformers::run_in_python(recipe.root()) {
        // The child keeps the state.
        let stateful = StatefulConfig::default();
        let open = open.map(|native| fed_python_source(native, &kind, recipe, options));
        return ReadSource { kind, runs_in, has_child: true, open, stateful };
    }
    ReadSource { kind, runs_in, has_child: false, open, stateful }
}

/// Opens a source of DataHub's Python client. It checks its keys itself.
#[cfg(unix)]
fn python_source(kind: &str, recipe: &Recipe, options: &Options) -> OpenSource {
    let (config, options) = (PythonSourceConfig::new(recipe, kind), options.python.clone());
    Box::new(move || PythonSource::open(config, options).map(|source| Box::new(source) as Box<dyn Source>))
}

/// Opens a source of this crate whose records run through transformers in Python.
#[cfg(unix)]
fn fed_python_source(native: OpenSource, kind: &str, recipe: &Recipe, options: &Options) -> OpenSource {
    use crate::source::python::{FedPythonSource, PythonSourceConfig};
    let (config, options) = (PythonSourceConfig::new(recipe, kind), options.python.clone());
    Box::new(move || {
        FedPythonSource::open(native, config, options).map(|source| Box::new(source) as Box<dyn Source>)
    })
}

fn read_sink(
    fields: &mut Fields<'_>,
    sinks: &SinkRegistry,
    environment: &Environment,
) -> (String, Option<OpenSink>) {
    let given = fields.has("sink");
    if !given && environment.get(DEFAULT_SINK_VARIABLE).map(str::trim) == Some("datahub-kafka") {
        fields.mistake(
            "sink",
            format!(
                "the sink `datahub-kafka`, which the environment variable {DEFAULT_SINK_VARIABLE} asks for, is not \
                 supported yet: write `sink: {{type: {DATAHUB_REST}}}`, or unset the variable"
            ),
        );
        return (String::new(), None);
    }
    let mut sink = fields.block("sink");
    let mut config = sink.block("config");
    let mut open = None;
    let kind = match sink.string("type") {
        // All settings then come from the environment, as in the Python client.
        None if !given => Some(DATAHUB_REST.to_owned()),
        kind => kind,
    };
    if let Some(kind) = &kind {
        match sinks.configure(kind, &mut config) {
            Ok(configured) => {
                open = configured.ok();
                config.finish();
            }
            Err(unknown) => sink.mistake("type", unknown.to_string()),
        }
    } else {
        sink.missing("type", "the name of a sink, for example `datahub-rest`");
    }
    sink.finish();
    (kind.unwrap_or_default(), open)
}

/// The transformers, and the server that they ask.
fn read_transformers(
    fields: &mut Fields<'_>,
    has_gms: bool,
    stateful: &StatefulConfig,
    options: &Options,
    environment: &Environment,
) -> (Option<Box<DatahubRestConfig>>, Chain) {
    let datahub_api = read_datahub_api(fields, environment);
    let has_graph = has_gms || fields.has("datahub_api");
    let chain = transformers::read(fields, &options.transformers, has_graph);
    if chain.needs_graph().is_none() && stateful.state.is_none() {
        fields.ignored("datahub_api", "no transformer asks a server, and no state is kept");
    }
    (datahub_api, chain)
}

/// Whose state is kept. Stateful ingestion needs a name and a server.
fn read_state_key(
    fields: &mut Fields<'_>,
    pipeline_name: Option<&str>,
    has_gms: bool,
    stateful: &StatefulConfig,
) -> Option<StateKey> {
    let state = stateful.state.as_ref()?;
    if state.needs_server() && !has_gms && !fields.has("datahub_api") {
        fields.mistake(
            "datahub_api",
            format!(
                "stateful ingestion keeps its state in DataHub: use the sink `{DATAHUB_REST}`, or add `datahub_api: \
                 {{server: …}}` to the recipe"
            ),
        );
    }
    fields.missing("pipeline_name", "the name under which stateful ingestion keeps its state");
    let key = StateKey::of(pipeline_name?);
    if key.is_none() {
        fields.mistake("pipeline_name", "a name with a control character cannot be part of a URN");
    }
    key
}

/// `datahub_api`: the server that transformers ask. Its keys are those of the sink `datahub-rest`.
fn read_datahub_api(fields: &mut Fields<'_>, environment: &Environment) -> Option<Box<DatahubRestConfig>> {
    if !fields.has("datahub_api") {
        return None;
    }
    let mut block = fields.block("datahub_api");
    let config = DatahubRestConfig::read(&mut block, &Overrides::default(), environment);
    block.finish();
    config.ok().map(Box::new)
}

/// The recipe as a report in DataHub shows it.
fn reported_recipe(
    recipe: &Recipe,
    source_type: &str,
    pipeline_name: Option<&str>,
    shows_recipe: bool,
) -> ReportedRecipe {
    let config = recipe.root().get("source").and_then(|source| source.get("config"));
    ReportedRecipe {
        source_type: source_type.to_owned(),
        pipeline_name: pipeline_name.map(str::to_owned),
        platform_instance: config.and_then(|config| text(config, "platform_instance")).map(str::to_owned),
        text: if shows_recipe { recipe.masked().to_string() } else { String::new() },
    }
}

/// Where the report goes.
pub(super) struct Reporting {
    pub(super) files: Vec<PathBuf>,
    /// It goes to DataHub in any case.
    pub(super) to_datahub: bool,
    /// A report in DataHub contains the recipe.
    pub(super) shows_recipe: bool,
}

/// `reporting`: where the report goes.
fn read_reporting(fields: &mut Fields<'_>, sink_type: &str) -> Reporting {
    let mut reporting = Reporting { files: Vec::new(), to_datahub: false, shows_recipe: true };
    for (index, mut reporter) in fields.blocks("reporting").into_iter().enumerate() {
        // In Python, a run fails if a required report cannot be written; here every report is required.
        reporter.boolean("required");
        match reporter.string("type").as_deref() {
            Some("file") => {
                let mut config = reporter.block("config");
                if config.string("format").is_some_and(|format| !format.eq_ignore_ascii_case("json")) {
                    config.mistake("format", "a report is written as `json` and nothing else");
                }
                match config.string("filename") {
                    Some(filename) => reporting.files.push(PathBuf::from(filename)),
                    None => config.missing("filename", "the file that the report is written to"),
                }
                config.finish();
            }
            Some("datahub") => {
                let mut config = reporter.block("config");
                if sink_type == DATAHUB_REST {
                    reporting.to_datahub = true;
                } else {
                    fields.warn(format!(
                        "`reporting[{index}]` has no effect here: only a run with the sink `{DATAHUB_REST}` reports to DataHub"
                    ));
                }
                reporting.shows_recipe &= config.boolean("report_recipe").unwrap_or(true);
                config.ignored("sink", "the report goes to the server of the recipe's sink");
                config.finish();
            }
            Some(_) => {
                reporter.node("config");
                reporter.mistake("type", "unknown reporter: expected `file` or `datahub`");
            }
            None => {
                reporter.node("config");
                reporter.missing("type", "`file` or `datahub`");
            }
        }
        reporter.finish();
    }
    reporting
}

/// `failure_log`: where dead letters are written.
fn read_failure_log(fields: &mut Fields<'_>) -> Option<PathBuf> {
    /// The default file name (`FailureLoggingConfig`).
    const DEFAULT_FILE: &str = "failed_events.json";
    let mut log = fields.block("failure_log");
    let enabled = log.boolean("enabled").unwrap_or_default();
    let mut config = log.block("log_config");
    let filename = config.string("filename");
    // It chooses between two layouts of Python's own file; dead letters have only one.
    config.boolean("legacy_nested_json_string");
    config.finish();
    log.finish();
    enabled.then(|| PathBuf::from(filename.as_deref().unwrap_or(DEFAULT_FILE)))
}

/// `flags`: whether the run id and the pipeline's name are written into the system metadata.
fn read_flags(fields: &mut Fields<'_>, source_runs_in: RunsIn) -> (bool, bool) {
    let mut flags = fields.block("flags");
    let set_system_metadata = flags.boolean("set_system_metadata").unwrap_or(true);
    let set_pipeline_name = flags.boolean("set_system_metadata_pipeline_name").unwrap_or(true);
    for (key, why) in [
        ("generate_browse_path_v2", "browse paths are sent as the source has them"),
        ("generate_browse_path_v2_dry_run", "browse paths are sent as the source has them"),
    ] {
        if flags.boolean(key) == Some(true) && source_runs_in == RunsIn::Native {
            fields.warn(format!("`flags.{key}` has no effect here: {why}"));
        }
    }
    let mut resolve = flags.block("auto_resolve_lineage_urns");
    if resolve.boolean("enabled") == Some(true) && source_runs_in == RunsIn::Native {
        fields.warn("`flags.auto_resolve_lineage_urns` has no effect here: lineage is sent as it is");
    }
    resolve.strings("upstream_platforms");
    resolve.boolean("resolve_all_platforms");
    resolve.finish();
    flags.ignored("generate_memory_profiles", "that is a measure of the Python client");
    // Limits of lists in Python's report; the report here lists a fixed number.
    for key in [
        "progress_report_max_failures",
        "progress_report_max_warnings",
        "progress_report_max_infos",
        "report_failure_sample_size",
        "report_warning_sample_size",
        "report_info_sample_size",
    ] {
        flags.node(key);
    }
    flags.finish();
    (set_system_metadata, set_pipeline_name)
}

/// Keys that this crate does not support. They are mistakes if ignoring them would change what is sent.
fn read_unsupported_keys(fields: &mut Fields<'_>) {
    let recording = fields.node("recording");
    if recording.is_some_and(|recording| recording.get("enabled").is_some_and(is_true)) {
        fields.not_yet("recording", "a run cannot be recorded");
    }
}

fn is_true(node: &Node) -> bool {
    match &node.value {
        Value::Bool(value) => *value,
        Value::String(text) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}
