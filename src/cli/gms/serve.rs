//! `datahub-emit gms serve`.

use std::path::PathBuf;

use clap::Args;

const EXAMPLES: &str = "\
It is meant for first runs and tests, not for keeping metadata: it has no ranking and no page.

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
Without one there is the user `datahub` with all permissions; its password is generated and printed once on standard error.

A fault file:
  faults: [{path: /aspects, times: 2, action: throttle, retry_after: 1}, {after: {requests: 5, seconds: 2}, action: reset}]
A running server accepts the same document by PUT /faults; GET /faults counts how often each acted, DELETE /faults removes them.

Environment: DATAHUB_SYSTEM_CLIENT_ID and DATAHUB_SYSTEM_CLIENT_SECRET let a caller authenticate as GMS itself.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Serve {
    /// The address to listen on; port 0 takes a free port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: String,
    /// The address of DataHub's frontend; default: port 9002 of the same host, or a free port if --listen has
    /// port 0.
    #[arg(long, value_name = "ADDR")]
    frontend_listen: Option<String>,
    /// The data file, or `:memory:`; default: the file of `server: embedded`.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Whether requests need a token.
    #[arg(long, value_enum, default_value_t = Switch::On, value_name = "on|off")]
    auth: Switch,
    /// Which of GMS's authentication filters is reproduced: the one before 2025, which reports expired tokens
    /// and does not check the token's user, or the two since then.
    #[arg(long, value_enum, default_value_t = AuthFilterOption::New, value_name = "old|new")]
    auth_filter: AuthFilterOption,
    /// The form of the body of a 401: spring-json, spring-html, jetty-json, jetty-html or empty. The forms of
    /// Jetty contain the reason.
    #[arg(long, value_enum, default_value_t = Refusals::SpringJson, value_name = "FORM", hide_possible_values = true)]
    refusals: Refusals,
    /// Whether policies decide what a user may read and write.
    #[arg(long, value_enum, default_value_t = Switch::On, value_name = "on|off")]
    rest_authorization: Switch,
    /// Whether proposals that GMS drops silently are answered with 200 and dropped; otherwise they are
    /// refused.
    #[arg(long, value_enum, default_value_t = Switch::Off, value_name = "on|off")]
    silent_drops: Switch,
    /// Whether the fields of aspects are checked against DataHub's model: unknown and missing fields, types,
    /// enums, unions, and the entity types of URNs.
    #[arg(long, value_enum, default_value_t = Switch::Off, value_name = "on|off")]
    check_fields: Switch,
    /// The version that the server claims, for example v1.3.0. It does not change what the server does.
    /// Default: the newest version with which it was compared.
    #[arg(long, value_name = "V")]
    version: Option<String>,
    /// Users, policies and tokens to set up first (YAML).
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// A custom model in the form of DataHub's entity-registry.yml; may be repeated. Aspects and entity types
    /// that are neither there nor in DataHub's standard model are refused.
    #[arg(long = "entity-registry", value_name = "FILE")]
    entity_registries: Vec<PathBuf>,
    /// Faults to inject (YAML), to test how a client handles them.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum AuthFilterOption {
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

    use datahub_emitter::embedded::{AuthFilter, Gms, GmsBuilder, RefusalForm};
    use datahub_emitter::{Error, ErrorKind};

    use super::{AuthFilterOption, Refusals, Serve, Switch};
    use crate::cli::exit::Exit;
    use crate::cli::gms::file;
    use crate::cli::output;
    use crate::cli::progress::Screen;
    use crate::cli::signals::Signals;

    /// The user that may do everything and always exists.
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
                .auth_filter(self.auth_filter.into())
                .refusals(self.refusals.into())
                .rest_authorization(self.rest_authorization == Switch::On)
                .silent_drops(self.silent_drops == Switch::On)
                .check_fields(self.check_fields == Switch::On);
            if let Some(version) = self.version {
                builder = builder.version(checked(version)?);
            }
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
            builder = self.entity_registries.into_iter().fold(builder, GmsBuilder::entity_registry);
            if let Some(path) = self.faults {
                builder = builder.fault_file(path);
            }
            let gms = builder.start().await?;
            if !gms.address().ip().is_loopback() {
                screen.say("warning: this GMS can be reached from the network; it is meant for tests on this machine\n");
            }
            if gms.frontend_url().is_none() {
                screen.say(&format!(
                    "warning: there is no frontend, because {beside} is taken: name another address with --frontend-listen\n"
                ));
            }
            if !seeded && let Some(password) = gms.generate_password(ADMINISTRATOR).await? {
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
            // Before the line that reports that it is ready.
            let mut signals = Signals::listen()?;
            output::write(format!("{ready}\n").as_bytes())?;
            signals.next().await;
            gms.stop().await;
            Ok(Exit::Done)
        }
    }

    impl From<AuthFilterOption> for AuthFilter {
        fn from(filter: AuthFilterOption) -> Self {
            match filter {
                AuthFilterOption::Old => Self::Old,
                AuthFilterOption::New => Self::New,
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

    /// The system client from the environment, in GMS's own variables.
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

    /// A version that clients can compare: `1.7.0`, with or without a `v` and a suffix.
    fn checked(version: String) -> Result<String, Error> {
        let parts = version.strip_prefix('v').unwrap_or(&version).splitn(3, '.');
        let leading = |part: &str| part.bytes().take_while(u8::is_ascii_digit).count();
        let fits = parts.clone().count() == 3
            && parts.clone().all(|part| leading(part) > 0)
            && parts.take(2).all(|part| leading(part) == part.len())
            && version.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            return Ok(version);
        }
        let message = format!("--version {version:?}: expected a version such as 1.7.0 or v1.3.0rc1");
        Err(Error::new(ErrorKind::Input, message))
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
