//! The builder of a server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::actor;
use crate::authentication::{self, AuthFilter, SystemClient};
use crate::authorization::Policy;
use crate::error::{Error, ErrorKind};
use crate::faults::Fault;
use crate::gms::Gms;
use crate::refusal::RefusalForm;
use crate::seed::Seed;
use crate::server::{self, FrontendSettings, ServerCommand, Settings};
use crate::store::Location;
use crate::user::User;
use tokio::sync::{oneshot, watch};

/// The default time limit for the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// A free port of the loopback interface.
const LOOPBACK: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

/// The default version in `/config`: the newest GMS with which the behaviour was compared.
const VERSION: &str = "v1.7.0";

impl Gms {
    /// Starts the configuration of a server. By default it runs in memory, listens on a free port of the
    /// loopback interface and requires authentication.
    pub fn builder() -> GmsBuilder {
        GmsBuilder::new()
    }
}

/// Configures an embedded GMS; created by [`Gms::builder`].
#[derive(Clone, Debug)]
pub struct GmsBuilder {
    data: Option<PathBuf>,
    settings: Settings,
    seed_file: Option<PathBuf>,
    seed: Seed,
    fault_file: Option<PathBuf>,
}

impl GmsBuilder {
    pub(super) fn new() -> Self {
        Self {
            data: None,
            settings: Settings {
                location: Location::Memory,
                listen: LOOPBACK,
                frontend: None,
                authentication: authentication::AuthenticationSettings {
                    enabled: true,
                    filter: AuthFilter::default(),
                    form: RefusalForm::default(),
                    system_client: None,
                },
                rest_authorization: true,
                header_timeout: HEADER_TIMEOUT,
                version: VERSION.to_owned(),
                silent_drops: false,
                check_fields: false,
                registries: Vec::new(),
                seed: Seed::default(),
            },
            seed_file: None,
            seed: Seed::default(),
            fault_file: None,
        }
    }

    /// Stores everything in the SQLite file at `path`. The file and its directories are created if they do
    /// not exist.
    ///
    /// The file also contains the key that signs tokens, so that tokens survive the process; only its owner
    /// can read it. Several processes may open the file. By default, and for `:memory:`, everything is kept
    /// in memory and is lost when the server stops.
    #[must_use]
    pub fn data(mut self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        self.data = (path != Path::new(":memory:")).then_some(path);
        self
    }

    /// Listens on `address`. Default: `127.0.0.1:0`, a free port of the loopback interface.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.settings.listen = address;
        self
    }

    /// Also serves DataHub's frontend on `address`: its login, and its proxy to GMS below `/api/gms`. Port 0
    /// takes a free port; [`Gms::frontend_url`] returns it. By default there is no frontend.
    ///
    /// ```
    /// # async fn example() -> Result<(), datahub_embedded_gms::Error> {
    /// use datahub_embedded_gms::{Gms, User};
    ///
    /// let free_port = ([127, 0, 0, 1], 0).into();
    /// let user = User::new("jdoe").password("jdoe's").privilege("GENERATE_PERSONAL_ACCESS_TOKENS");
    /// let gms = Gms::builder().frontend(free_port).user(user).start().await?;
    /// assert!(gms.frontend_url().is_some_and(|url| url.starts_with("http://127.0.0.1:")));
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    #[must_use]
    pub fn frontend(mut self, address: SocketAddr) -> Self {
        self.frontend_at(address, true);
        self
    }

    /// Like [`frontend`](Self::frontend), but the server starts without a frontend if the address is in use.
    #[must_use]
    pub fn frontend_if_free(mut self, address: SocketAddr) -> Self {
        self.frontend_at(address, false);
        self
    }

    fn frontend_at(&mut self, listen: SocketAddr, required: bool) {
        let authentication = self.settings.frontend.as_ref().is_none_or(|frontend| frontend.authentication);
        self.settings.frontend = Some(FrontendSettings { listen, required, authentication });
    }

    /// The frontend's own switch for metadata service authentication; default: on. With it off, the frontend
    /// forwards only requests with a session, whatever token they have. It applies to a
    /// [`frontend`](Self::frontend) that was configured before.
    #[must_use]
    pub fn frontend_authentication(mut self, on: bool) -> Self {
        if let Some(frontend) = &mut self.settings.frontend {
            frontend.authentication = on;
        }
        self
    }

    /// Whether requests need a token (`METADATA_SERVICE_AUTH_ENABLED`); default: on. With authentication off,
    /// GMS trusts the header `X-DataHub-Actor`, and treats other callers as itself, with all permissions.
    #[must_use]
    pub fn authentication(mut self, on: bool) -> Self {
        self.settings.authentication.enabled = on;
        self
    }

    /// Which of GMS's authentication filters is reproduced. Default: the new ones.
    #[must_use]
    pub fn auth_filter(mut self, filter: AuthFilter) -> Self {
        self.settings.authentication.filter = filter;
        self
    }

    /// The form of the body of a 401. Default: Spring Boot's JSON.
    #[must_use]
    pub fn refusals(mut self, form: RefusalForm) -> Self {
        self.settings.authentication.form = form;
        self
    }

    /// Authenticates a caller with `Authorization: Basic id:secret` as GMS itself, with all permissions
    /// (`DATAHUB_SYSTEM_CLIENT_ID`, `DATAHUB_SYSTEM_CLIENT_SECRET`). As in GMS, id and secret are not
    /// base64-encoded. By default there is no such caller.
    #[must_use]
    pub fn system_client(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.settings.authentication.system_client =
            Some(SystemClient { id: id.into(), secret: secret.into() });
        self
    }

    /// Whether Rest.li and OpenAPI enforce policies (`REST_API_AUTHORIZATION_ENABLED`); default: on, as in
    /// GMS since 2024. GraphQL always enforces them.
    #[must_use]
    pub fn rest_authorization(mut self, on: bool) -> Self {
        self.settings.rest_authorization = on;
        self
    }

    /// Creates a user, or replaces the password and the privileges of an existing one.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.seed.users.push(user);
        self
    }

    /// Sets a policy up, in place of one of the same name.
    ///
    /// ```
    /// # async fn example() -> Result<(), datahub_embedded_gms::Error> {
    /// use datahub_embedded_gms::{Gms, Policy, User};
    ///
    /// let hive = Policy::new("hive").user("loader").privilege("EDIT_ENTITY");
    /// let hive = hive.urn("urn:li:dataset:(urn:li:dataPlatform:hive,*");
    /// let gms = Gms::builder().user(User::new("loader")).policy(hive).start().await?;
    /// let token = gms.create_token("loader").await?;
    /// # drop(token);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.seed.policies.push(policy);
        self
    }

    /// Sets up the users, policies and tokens of a YAML file at the start, before those of the builder:
    ///
    /// ```yaml
    /// users:
    ///   - {name: loader, password: "loader's", privileges: [EDIT_ENTITY], groups: [loaders]}
    /// policies:
    ///   - name: admins of tokens
    ///     actors: {users: [loader], groups: [admins]}   # or allUsers, allGroups, resourceOwners: true
    ///     privileges: [MANAGE_ACCESS_TOKENS]
    ///     resources: {types: [dataset], urns: ["urn:li:dataset:*"]}   # without: everything
    /// tokens:
    ///   - {name: nightly, actor: loader, duration: ONE_MONTH, out: loader.token}
    /// ```
    ///
    /// A token is written to its file (`out`, relative to the current directory), which only its owner can
    /// read. A valid token in the file is kept. `duration` is one of GraphQL's names or an ISO 8601 duration
    /// (`P30D`); default: `ONE_MONTH`.
    #[must_use]
    pub fn seed(mut self, path: impl Into<PathBuf>) -> Self {
        self.seed_file = Some(path.into());
        self
    }

    /// Adds the faults of a YAML or JSON file at the start. A running server accepts the same document by
    /// `PUT /faults`. Each fault has an `action`, named as in [`Action`](crate::Action). All other keys are
    /// optional and restrict it: the prefix of a `path` with its query, a part of a `urn`, a minimal body
    /// size (`larger_than`, in bytes), a number of requests and seconds to wait (`after`), a number of
    /// `times`, and how long it `lasts`.
    ///
    /// ```yaml
    /// faults:
    ///   - {path: /aspects, times: 2, action: status, code: 503, headers: {Retry-After: "1"}, body: ""}
    ///   # form: gms (the default), spring_json, spring_html, jetty_json, jetty_html, text, html or empty
    ///   - {urn: db.t1, action: status, code: 500, form: jetty_html, message: "out of memory"}
    ///   - {action: throttle, retry_after: 1, after: {requests: 3, seconds: 2}, lasts: {seconds: 0.5}}
    ///   - {action: throttle, retry_after: {date: 1}}   # the HTTP date in a second; without: none
    ///   - {action: conflict}                           # 503 DATABASE_TRANSACTION_CONFLICT
    ///   - {action: too_large, larger_than: 1000000}    # 413
    ///   - {action: unauthorized, after: 10}            # 401
    ///   - {action: expire_token, after: 10, times: 1}  # the token of the request
    ///   - {action: redirect, location: /login}         # code: 302
    ///   - {action: html}                               # 200 with a log-in page
    ///   - {action: reset}                              # or reset_after: after handling
    ///   - {action: half_body}                          # or half_body_after
    ///   - {action: delay, milliseconds: 50}            # or slow_head, slow_body: the response
    ///   - {action: timeout}                            # handled, and then 500 "Server timeout"
    ///   - {action: unknown_action}                     # 400, as from a GMS without batches
    ///   - {action: partial_apply}                      # half a batch, and then code: 500
    ///   - {action: drop, aspect: status}               # handled except for this aspect, silently
    ///   - {action: reject_later, message: "no"}        # accepted, rejected in its trace; `aspect` as above
    ///   - {action: stay_pending, polls: 2}             # in its trace; `aspect` as above
    /// ```
    #[must_use]
    pub fn fault_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.fault_file = Some(path.into());
        self
    }

    /// The default time limit for the head of a request.
    #[must_use]
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        self.settings.header_timeout = timeout;
        self
    }

    /// The version in `/config`, from which clients derive what a server supports, for example `v0.13.1`. It
    /// does not change what this server supports. Default: `v1.7.0`, the newest version with which this
    /// server was compared.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.settings.version = version.into();
        self
    }

    /// Whether proposals that GMS drops silently are dropped here too. Rest.li answers 200 and writes nothing
    /// for a URN of more than 512 URL-encoded bytes, with surrounding white space, with `␟` in it or with an
    /// invalid key, and for a content type other than JSON (`AspectsBatchImpl`). OpenAPI drops an aspect that
    /// its entity type does not have (`EntityController.toMCPBatch`). Default: off; both are refused, with
    /// 422 and 400, as in newer GMS, so that a test notices.
    #[must_use]
    pub fn silent_drops(mut self, on: bool) -> Self {
        self.settings.silent_drops = on;
        self
    }

    /// Whether the fields of aspects are checked against DataHub's model, as GMS does: unknown and missing
    /// fields, types, enums, unions, and the entity types of URNs. Default: off. The model is that of
    /// acryl-datahub 1.7.0.17; aspects of custom models are not checked.
    #[must_use]
    pub fn check_fields(mut self, on: bool) -> Self {
        self.settings.check_fields = on;
        self
    }

    /// Adds a custom model from a YAML file in the form of DataHub's `entity-registry.yml`: more aspects of
    /// an entity type, or more types. Types and aspects that no registry has are refused, as in GMS. May be
    /// called several times.
    ///
    /// ```yaml
    /// entities:
    ///   - name: dataset
    ///     aspects: [customDataQualityRules]
    /// ```
    #[must_use]
    pub fn entity_registry(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.registries.push(path.into());
        self
    }

    /// Starts the server, and returns when it accepts requests. If the future is dropped, the server stops.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] if an address cannot be bound, or a user, a policy, the seed file, the fault file
    /// or an entity registry is not valid; [`ErrorKind::Disk`] if the data file or a token's file cannot be
    /// used; [`ErrorKind::Internal`] if the server's threads cannot be started.
    pub async fn start(self) -> Result<Gms, Error> {
        let Self { data, mut settings, seed_file, seed, fault_file } = self;
        let faults = fault_file.as_deref().map(Fault::read).transpose()?.unwrap_or_default();
        if let Some(path) = &seed_file {
            settings.seed = Seed::read(path)?;
        }
        settings.seed.extend(seed);
        settings.location = data.clone().map_or(Location::Memory, Location::File);
        let (commands, given) = watch::channel(ServerCommand::Run);
        let (ending, done) = watch::channel(());
        let (ready, started) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("embedded-gms".into())
            .spawn(move || server::run(&settings, ready, given, ending))
            .map_err(|error| {
                Error::new(ErrorKind::Internal, "cannot start the embedded GMS's thread").with_source(error)
            })?;
        let ready = started.await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Internal, "the embedded GMS ended while it started"))
        })?;
        for fault in faults {
            ready.server.faults.add(fault);
        }
        Ok(Gms {
            url: url_of(ready.address),
            address: ready.address,
            frontend_url: ready.frontend.map(url_of),
            token: ready.server.authentication.issue_for_process(&actor::user_urn(actor::ADMINISTRATOR))?,
            server: ready.server,
            data,
            commands,
            done,
            thread: Some(thread),
        })
    }
}

/// The URL of an address. An unspecified address (`0.0.0.0`) is reached through loopback.
fn url_of(address: SocketAddr) -> String {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}
