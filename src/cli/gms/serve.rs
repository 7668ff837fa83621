//! `datahub-emit gms serve`.

use std::path::PathBuf;

use clap::Args;

const EXAMPLES: &str = "\
It is for first runs and tests, and no place to keep metadata: no ranking, no facets, no lineage, no page.

Examples:
  datahub-emit gms serve                                on port 8080, with what runs with `server: embedded` delivered
  datahub-emit gms serve --listen 127.0.0.1:0 --data :memory: --seed users.yml
  datahub-emit gms token create                         a token for it, in another terminal

The line on standard output:
  {\"gms\": \"http://127.0.0.1:8080\", \"frontend\": \"http://127.0.0.1:9002\", \"data\": \"/home/me/.local/share/datahub-emit/gms.sqlite\", \"pid\": 4711}

A seed file:
  users:    [{name: loader, password: secret, privileges: [EDIT_ENTITY, GENERATE_PERSONAL_ACCESS_TOKENS]}]
  policies: [{name: tags, actors: {users: [jdoe]}, privileges: [EDIT_ENTITY], resources: {types: [tag], urns: [\"urn:li:tag:x*\"]}}]
  tokens:   [{name: nightly, actor: loader, duration: ONE_MONTH, out: loader.token}]
Without one there is the user `datahub`, who may do everything; his password is made up, and said once on standard error.

A fault file:
  faults: [{path: /aspects, times: 2, action: throttle, retry_after: 1}, {after: {requests: 5, seconds: 2}, action: reset}]
The same document is taken by PUT /faults while it runs; GET /faults tells how often each acted, DELETE /faults ends them.

Environment: DATAHUB_SYSTEM_CLIENT_ID and DATAHUB_SYSTEM_CLIENT_SECRET let a caller in as GMS itself.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Serve {
    /// Where it listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: String,
    /// Where it plays DataHub's frontend; by default the same host's port 9002, or a free one where --listen
    /// has port 0.
    #[arg(long, value_name = "ADDR")]
    frontend_listen: Option<String>,
    /// The file that it keeps everything in, `:memory:` for none; by default that of `server: embedded`.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Whether requests need a token.
    #[arg(long, value_enum, default_value_t = Switch::On, value_name = "on|off")]
    auth: Switch,
    /// Which of GMS's filters refuses strangers: the one of before 2025, which says of a token that its time
    /// is over and does not look at its user, or the two that came after it.
    #[arg(long, value_enum, default_value_t = AuthFilter::New, value_name = "old|new")]
    auth_filter: AuthFilter,
    /// The form of the body that comes with a 401: spring-json, spring-html, jetty-json, jetty-html or empty.
    /// With Jetty's the reason is in it.
    #[arg(long, value_enum, default_value_t = Refusals::SpringJson, value_name = "FORM", hide_possible_values = true)]
    refusals: Refusals,
    /// Whether a token may write and read only what its user may.
    #[arg(long, value_enum, default_value_t = Switch::On, value_name = "on|off")]
    rest_authorization: Switch,
    /// Whether it answers 200 to proposals that GMS drops without a word, and drops them; otherwise it
    /// refuses them.
    #[arg(long, value_enum, default_value_t = Switch::Off, value_name = "on|off")]
    silent_drops: Switch,
    /// Users, policies and tokens to set up first (YAML).
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// Aspects and entity types of a model of one's own, in the form of DataHub's entity-registry.yml;
    /// several times for several. What is neither there nor in DataHub's standard model is refused.
    #[arg(long = "entity-registry", value_name = "FILE")]
    entity_registries: Vec<PathBuf>,
    /// What goes wrong with which requests (YAML), to see how a client takes it.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum AuthFilter {
    Old,
    New,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Refusals {
    SpringJson,
    SpringHtml,
    JettyJson,
    JettyHtml,
    Empty,
}

#[cfg(feature = "embedded")]
mod with {
    use std::net::{SocketAddr, ToSocketAddrs as _};

    use datahub_emitter::embedded::{Builder, Filter, Gms, RefusalForm};
    use datahub_emitter::{Error, ErrorKind};

    use super::{AuthFilter, Refusals, Serve, Switch};
    use crate::cli::exit::Exit;
    use crate::cli::gms::file;
    use crate::cli::output;
    use crate::cli::progress::Screen;
    use crate::cli::signals::Signals;

    /// Who may do everything, and is there from the start.
    const ADMINISTRATOR: &str = "datahub";

    /// Where DataHub's frontend listens.
    const FRONTEND_PORT: u16 = 9002;

    impl Serve {
        pub(crate) async fn run(self, screen: &Screen) -> Result<Exit, Error> {
            let listen = address("--listen", &self.listen)?;
            let beside = SocketAddr::new(listen.ip(), if listen.port() == 0 { 0 } else { FRONTEND_PORT });
            let mut builder = Gms::builder()
                .data(file::path(self.data)?)
                .listen(listen)
                .authentication(self.auth == Switch::On)
                .filter(self.auth_filter.into())
                .refusals(self.refusals.into())
                .rest_authorization(self.rest_authorization == Switch::On)
                .silent_drops(self.silent_drops == Switch::On);
            builder = match &self.frontend_listen {
                Some(text) => builder.frontend(address("--frontend-listen", text)?),
                None => builder.frontend_if_free(beside),
            };
            // The frontend's own switch is on where GMS's is.
            builder = builder.frontend_authentication(self.auth == Switch::On);
            if let Some((id, secret)) = system_client()? {
                builder = builder.system_client(id, secret);
            }
            let seeded = self.seed.is_some();
            if let Some(path) = self.seed {
                builder = builder.seed(path);
            }
            builder = self.entity_registries.into_iter().fold(builder, Builder::entity_registry);
            if let Some(path) = self.faults {
                builder = builder.fault_file(path);
            }
            let gms = builder.start().await?;
            if !gms.address().ip().is_loopback() {
                screen.say("warning: others on the network reach this GMS; it is for tests, and made for this machine alone\n");
            }
            if gms.frontend_url().is_none() {
                screen.say(&format!(
                    "warning: there is no frontend, because {beside} is taken: name another address with --frontend-listen\n"
                ));
            }
            if !seeded && let Some(password) = gms.make_password(ADMINISTRATOR).await? {
                screen.say(&format!(
                    "the user {ADMINISTRATOR} has the password {password} from now on; it is not said again\n"
                ));
            }
            let ready = serde_json::json!({
                "gms": gms.url(),
                "frontend": gms.frontend_url(),
                "data": gms.data(),
                "pid": std::process::id(),
            });
            // Before anyone is told that it is ready.
            let mut signals = Signals::listen()?;
            output::write(format!("{ready}\n").as_bytes())?;
            signals.next().await;
            gms.stop().await;
            Ok(Exit::Done)
        }
    }

    impl From<AuthFilter> for Filter {
        fn from(filter: AuthFilter) -> Self {
            match filter {
                AuthFilter::Old => Self::Old,
                AuthFilter::New => Self::New,
            }
        }
    }

    impl From<Refusals> for RefusalForm {
        fn from(form: Refusals) -> Self {
            match form {
                Refusals::SpringJson => Self::SpringJson,
                Refusals::SpringHtml => Self::SpringHtml,
                Refusals::JettyJson => Self::JettyJson,
                Refusals::JettyHtml => Self::JettyHtml,
                Refusals::Empty => Self::Empty,
            }
        }
    }

    /// The system client that the environment names, under GMS's own variables.
    fn system_client() -> Result<Option<(String, String)>, Error> {
        const SECRET: &str = "DATAHUB_SYSTEM_CLIENT_SECRET";
        let read =
            |name: &str| match std::env::var(name) {
                Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
                Err(std::env::VarError::NotPresent) => Ok(None),
                Err(error) => Err(Error::new(ErrorKind::Input, format!("the variable {name} is no text"))
                    .with_source(error)),
            };
        let id = read("DATAHUB_SYSTEM_CLIENT_ID")?.unwrap_or_else(|| "__datahub_system".to_owned());
        Ok(read(SECRET)?.map(|secret| (id, secret)))
    }

    fn address(option: &str, text: &str) -> Result<SocketAddr, Error> {
        let problem = || {
            Error::new(ErrorKind::Input, format!("{option} {text}: expected HOST:PORT, as in 127.0.0.1:8080"))
        };
        let mut addresses = text.to_socket_addrs().map_err(|error| problem().with_source(error))?;
        addresses.next().ok_or_else(problem)
    }
}

#[cfg(not(feature = "embedded"))]
impl Serve {
    #[expect(clippy::unused_async, reason = "has the form that it has with the feature")]
    pub(crate) async fn run(
        self,
        _: &crate::cli::progress::Screen,
    ) -> Result<crate::cli::exit::Exit, datahub_emitter::Error> {
        Err(super::not_built())
    }
}
