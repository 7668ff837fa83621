//! How an embedded GMS is to run.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::authentication::{self, Filter, SystemClient};
use super::authorization::Policy;
use super::faults::Fault;
use super::refusal::RefusalForm;
use super::seed::Seed;
use super::server::{self, FrontendSettings, Order, Settings};
use super::store::Location;
use super::user::{self, User};
use super::{Gms, VERSION, url_of};
use crate::{Error, ErrorKind};

/// How long a client may take for the head of a request, unless the builder is told otherwise.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Says how an embedded GMS is to run. Made by [`Gms::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    data: Option<PathBuf>,
    settings: Settings,
    seed_file: Option<PathBuf>,
    seed: Seed,
    fault_file: Option<PathBuf>,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            data: None,
            settings: Settings {
                location: Location::Memory,
                listen: super::LOOPBACK,
                frontend: None,
                authentication: authentication::Policy {
                    enabled: true,
                    filter: Filter::default(),
                    form: RefusalForm::default(),
                    system_client: None,
                },
                rest_authorization: true,
                header_timeout: HEADER_TIMEOUT,
                version: VERSION.to_owned(),
                silent_drops: false,
                registries: Vec::new(),
                seed: Seed::default(),
            },
            seed_file: None,
            seed: Seed::default(),
            fault_file: None,
        }
    }

    /// Keeps everything in the SQLite file at `path`, which is made where it is not there, with its directories.
    ///
    /// The file also holds what tokens are signed with, so they outlive the process, and only its owner can read it.
    /// Several processes may have it open. By default, and for `:memory:`, everything is kept in memory, and is gone
    /// when the server stops.
    #[must_use]
    pub fn data(mut self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        self.data = (path != Path::new(":memory:")).then_some(path);
        self
    }

    /// Listens on `address`. The default is `127.0.0.1:0`: this machine alone, on a port that is free.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.settings.listen = address;
        self
    }

    /// Plays DataHub's frontend on `address` as well: its log-in, and its way to GMS below `/api/gms`. Port 0 takes a
    /// free one, which [`Gms::frontend_url`] tells. By default there is no frontend.
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

    /// As [`frontend`](Self::frontend), but goes without one where the address is taken.
    #[must_use]
    pub fn frontend_if_free(mut self, address: SocketAddr) -> Self {
        self.frontend_at(address, false);
        self
    }

    fn frontend_at(&mut self, listen: SocketAddr, required: bool) {
        let authentication = self.settings.frontend.as_ref().is_none_or(|frontend| frontend.authentication);
        self.settings.frontend = Some(FrontendSettings { listen, required, authentication });
    }

    /// The frontend's own switch for metadata service authentication, on by default. With it off the frontend lets only
    /// those through who are logged in, whatever token they bring. Counts where there is a
    /// [`frontend`](Self::frontend), which has to be set first.
    #[must_use]
    pub fn frontend_authentication(mut self, on: bool) -> Self {
        if let Some(frontend) = &mut self.settings.frontend {
            frontend.authentication = on;
        }
        self
    }

    /// Whether requests need a token (`METADATA_SERVICE_AUTH_ENABLED`); they do by default. Without, GMS believes the
    /// header `X-DataHub-Actor`, and takes everyone else for itself, who may do everything.
    #[must_use]
    pub fn authentication(mut self, on: bool) -> Self {
        self.settings.authentication.enabled = on;
        self
    }

    /// Which of GMS's filters refuses strangers; the new ones by default.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.settings.authentication.filter = filter;
        self
    }

    /// The form of the body that comes with a 401; Spring Boot's JSON by default.
    #[must_use]
    pub fn refusals(mut self, form: RefusalForm) -> Self {
        self.settings.authentication.form = form;
        self
    }

    /// Takes a caller with `Authorization: Basic id:secret` for GMS itself, who may do everything
    /// (`DATAHUB_SYSTEM_CLIENT_ID`, `DATAHUB_SYSTEM_CLIENT_SECRET`). As in GMS, id and secret are not put into base64.
    /// By default there is no such caller.
    #[must_use]
    pub fn system_client(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.settings.authentication.system_client =
            Some(SystemClient { id: id.into(), secret: secret.into() });
        self
    }

    /// Whether Rest.li and OpenAPI let a user do only what policies allow (`REST_API_AUTHORIZATION_ENABLED`); they do by
    /// default, as in GMS since 2024. GraphQL always asks.
    #[must_use]
    pub fn rest_authorization(mut self, on: bool) -> Self {
        self.settings.rest_authorization = on;
        self
    }

    /// Sets a user up. One who is there gets this password and these privileges in place of his own.
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

    /// Sets up the users, policies and tokens of a YAML file, at the start and before those that the builder names:
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
    /// A token is written to its file (`out`, relative to the current directory), which only its owner can read; while
    /// the one that is there is good, it stays. `duration` is one of GraphQL's or of ISO 8601 (`P30D`), by default
    /// `ONE_MONTH`.
    #[must_use]
    pub fn seed(mut self, path: impl Into<PathBuf>) -> Self {
        self.seed_file = Some(path.into());
        self
    }

    /// Adds the faults of a YAML or JSON file, at the start; a server that runs takes the same document by
    /// `PUT /faults`. Each has an `action`, named as in [`Action`](super::Action), and says what it acts on: the start of
    /// a `path` with its query, a part of a `urn`, bodies `larger_than` so many bytes; `after` so many requests and
    /// seconds, so many `times`, and while it `lasts`. All but the action may be left out.
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
    ///   - {action: expire_token, after: 10, times: 1}  # of the token that the request brings
    ///   - {action: redirect, location: /login}         # code: 302
    ///   - {action: html}                               # 200 with a log-in page
    ///   - {action: reset}                              # or reset_after: when it is done
    ///   - {action: half_body}                          # or half_body_after
    ///   - {action: delay, milliseconds: 50}            # or slow_head, slow_body: of the answer
    ///   - {action: timeout}                            # done, and then 500 "Server timeout"
    ///   - {action: unknown_action}                     # 400, as of a GMS without batches
    ///   - {action: partial_apply}                      # half a batch, and then code: 500
    ///   - {action: drop, aspect: status}               # done but for this aspect, without a word
    ///   - {action: reject_later, message: "no"}        # accepted, and rejected in its trace; `aspect` as above
    ///   - {action: stay_pending, polls: 2}             # in its trace; `aspect` as above
    /// ```
    #[must_use]
    pub fn fault_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.fault_file = Some(path.into());
        self
    }

    /// How long a client may take for the head of a request, between two pieces of its body, and for the whole body, for
    /// which it gets a second more for each 64 KiB that arrived; 30 seconds by default. A connection without a request is
    /// closed after it, too.
    #[must_use]
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        self.settings.header_timeout = timeout;
        self
    }

    /// The version that `/config` says, by which clients decide what a server can do: for example `v0.13.1`. What this
    /// one can do stays the same.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.settings.version = version.into();
        self
    }

    /// Whether what GMS drops without a word is dropped here as well. Rest.li answers 200 to what it cannot build a
    /// proposal of, and writes nothing of it: a URN of more than 512 URL-encoded bytes, with white space at its ends, with
    /// `␟` in it or with a key that is not its entity's, and a content type other than JSON (`AspectsBatchImpl`). OpenAPI
    /// leaves an aspect out that its entity type does not have (`EntityController.toMCPBatch`). By default both are
    /// refused, with 422 and 400, as newer GMS do, which serves a test better.
    #[must_use]
    pub fn silent_drops(mut self, on: bool) -> Self {
        self.settings.silent_drops = on;
        self
    }

    /// Adds a model of one's own to DataHub's standard one, from a YAML file in the form of DataHub's
    /// `entity-registry.yml`: further aspects of an entity type, or further types. What no registry has is refused, as
    /// GMS refuses it; several files may be given.
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

    /// Starts the server, and returns when it answers.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] when an address cannot be listened on, or a user, a policy, the seed file, the fault file or
    /// an entity registry is not what it has to be, [`ErrorKind::Disk`] when the data file or a token's file cannot be used, [`ErrorKind::Internal`] when
    /// there are no threads to be had.
    pub async fn start(self) -> Result<Gms, Error> {
        let Self { data, mut settings, seed_file, seed, fault_file } = self;
        let faults = fault_file.as_deref().map(Fault::read).transpose()?.unwrap_or_default();
        if let Some(path) = &seed_file {
            settings.seed = Seed::read(path)?;
        }
        settings.seed.extend(seed);
        settings.location = data.clone().map_or(Location::Memory, Location::File);
        let (orders, given) = watch::channel(Order::Run);
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
            token: ready.server.authentication.issue_own(&user::urn(user::ADMINISTRATOR))?,
            server: ready.server,
            data,
            orders,
            done,
            thread: Some(thread),
        })
    }
}
