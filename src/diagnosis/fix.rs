//! Fixes, as data.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;

use super::summary::caller;
use super::time_text::whole_seconds;
use super::{Operation, Privilege, TokenSource};

/// One thing to do about a failure. Its [`Display`](fmt::Display) text is one line and speaks of the builders
/// of this crate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fix {
    /// Install Python 3.8 or later.
    InstallPython,
    /// Name the interpreter that has `acryl-datahub`.
    SetPython,
    /// Install a package into the interpreter's environment.
    InstallPackage {
        /// The interpreter.
        python: PathBuf,
        /// The package with its extra, for example `acryl-datahub[postgres]`.
        requirement: String,
    },
    /// Run with an environment that uv makes.
    RunWithUv {
        /// The package with its extra.
        requirement: String,
    },
    /// Check the name of the source.
    CheckSourceType,
    /// Give the source more memory, or let it read less at once.
    GiveMemory,
    /// Correct what the source reported.
    CorrectSource,
    /// Check that a Kafka broker listens at these addresses.
    CheckBrokers {
        /// The addresses.
        bootstrap: String,
    },
    /// Set librdkafka's TLS properties as the broker's listener requires.
    CheckBrokerTls,
    /// Set librdkafka's SASL properties as the broker's listener requires.
    CheckBrokerCredentials,
    /// Create the topic, or write to another one.
    CreateTopic {
        /// The topic.
        topic: String,
    },
    /// Allow the caller to write to the topic.
    AllowTopic {
        /// The topic.
        topic: String,
    },
    /// Allow the caller to use the cluster.
    AllowCluster,
    /// See the broker's log.
    SeeBrokerLog,
    /// Write the schema registry's address.
    CorrectRegistry,
    /// Set the credentials for the schema registry.
    SetRegistryCredentials,
    /// Write to a topic that the schema registry knows.
    RouteToKnownTopic,
    /// Remove the incompatible schema of the subject.
    ReplaceSchema {
        /// The subject.
        subject: String,
    },
    /// See the schema registry's log.
    SeeRegistryLog,
    /// Make a token, and put it where the refused one came from.
    CreateToken {
        /// Where the refused token came from; `None` if there was none.
        source: Option<TokenSource>,
        /// The user's name; `None` if it is not known.
        user: Option<String>,
        /// The URN of the service account that the token is for.
        service_account: Option<String>,
        /// The address of DataHub's frontend.
        frontend: String,
    },
    /// Give the token to the client.
    ConfigureToken,
    /// Make a token in DataHub's web page.
    CreateTokenInBrowser {
        /// The address of DataHub's frontend.
        frontend: String,
    },
    /// Use a token that DataHub issues.
    UseDataHubToken,
    /// Set the variable that the recipe's token refers to.
    SetTokenVariable,
    /// Check which token the command prints.
    CheckTokenCommand,
    /// Check that the command prints nothing but a token.
    CheckTokenCommandOutput,
    /// Check whether GMS accepts the tokens of the identity provider.
    CheckIdentityProvider,
    /// Check the credentials for the identity provider.
    CheckClientCredentials,
    /// Check that the token file can be read.
    CheckTokenFile(PathBuf),
    /// Check that this environment variable is exported.
    CheckVariable(String),
    /// Put a token there.
    ProvideToken(TokenSource),
    /// Compare the system client's id and secret with GMS's.
    CompareSystemClient,
    /// Run again with a new embedded GMS.
    RunAgain,
    /// Send the token by the Authorization header among the extra headers.
    SetAuthorizationHeader,
    /// Send the token by the token setting, and not by an extra header.
    ReplaceAuthorizationHeader,
    /// Correct the Authorization header among the extra headers.
    CorrectAuthorizationHeader,
    /// Do not send a Cookie.
    RemoveCookie,
    /// Look at the token's form.
    CheckTokenForm(TokenSource),
    /// Remove the scheme from the token.
    RemoveScheme(TokenSource),
    /// Copy the token again.
    CopyTokenAgain(TokenSource),
    /// Show what a token consists of, without showing it.
    InspectToken(TokenSource),
    /// Write the token, and not a variable, into this file.
    WriteTokenItself(PathBuf),
    /// Let the shell expand the variable that this variable is set from.
    ExpandVariable(String),
    /// Let the recipe reader expand the variable.
    RemoveEscape,
    /// Let GMS accept the tokens of another issuer.
    TrustIssuer {
        /// The `iss` claim of the token.
        issuer: String,
        /// The `aud` claim of the token.
        audience: Option<String>,
    },
    /// See whether the token is listed in DataHub.
    CheckTokenIsListed {
        /// The address of DataHub's frontend.
        frontend: String,
    },
    /// See whether the user exists and is active.
    CheckUser(Option<String>),
    /// Let GMS log why it refuses tokens.
    LogAuthenticatorExceptions,
    /// Wait until the token is valid.
    WaitUntil(Timestamp),
    /// Compare the clock of the token's issuer with the server's.
    CompareIssuerClock,
    /// Check the local clock.
    CheckClock,
    /// Set the wrong clock.
    SynchronizeClocks,
    /// Give the caller a privilege for entities.
    GrantPrivilege {
        /// The caller's URN, if known.
        actor: Option<String>,
        /// The missing privilege.
        privilege: Privilege,
        /// The entity types, as far as they are known.
        entity_types: Vec<String>,
        /// The refused operation.
        operation: Operation,
    },
    /// Give the caller a platform privilege.
    GrantPlatformPrivilege {
        /// The caller's URN.
        actor: String,
        /// The missing privilege.
        privilege: Privilege,
    },
    /// A platform privilege that is enough for entities of this type.
    AlternativePrivilege {
        /// The entity type.
        entity_type: &'static str,
        /// The privilege.
        privilege: Privilege,
    },
    /// Use the token of a user who has the privilege.
    UsePrivilegedToken,
    /// Act as a user who has the privilege.
    ActAsPrivilegedUser,
    /// Write over Rest.li, which requires less.
    UseRestli,
    /// Activate the user.
    ActivateUser(Option<String>),
    /// Use the token of an active user.
    UseActiveUser,
    /// Turn authentication on for GMS and the frontend.
    EnableAuthentication,
    /// Turn authentication on for the frontend.
    EnableFrontendAuthentication,
    /// Use this server address.
    SetServer(String),
    /// Go to GMS at this address instead of to the frontend.
    BypassFrontend(String),
    /// Go to GMS's port instead of to the frontend.
    UseGmsPort,
    /// Use the address of the service inside the container network.
    UseServiceName,
    /// Write GMS's address.
    CorrectServer,
    /// Write the host that the certificate is for.
    CorrectHostForCertificate,
    /// Write the right host name.
    CorrectHostName,
    /// The ports that GMS usually has.
    UsualPorts,
    /// Let the server in front of GMS pass requests on.
    AskProxyOwner {
        /// The server's address.
        server: String,
    },
    /// Go to GMS instead of to the server in front of it.
    BypassProxy,
    /// Let the server with the log-in page pass bearer tokens on.
    AllowBearerTokens {
        /// The server's address.
        server: String,
    },
    /// Send a token to the server with the log-in page as well.
    SendProxyAuthorization,
    /// Go to GMS instead of to the server with the log-in page.
    BypassLoginPage,
    /// Do not use the proxy for this host.
    SkipProxy {
        /// The host.
        host: String,
    },
    /// Correct the variable that names the proxy.
    CorrectProxy {
        /// The variable.
        variable: String,
    },
    /// Give the proxy its credentials.
    SetProxyCredentials,
    /// See which server responds at this address.
    ProbeServer(String),
    /// Wait until the GMS at this address is healthy.
    WaitForHealth(String),
    /// Wait longer for the server.
    WaitLonger,
    /// See what GMS waits for.
    CheckGmsDependencies,
    /// See GMS's log.
    CheckGmsLog,
    /// See whether the host's name can be resolved.
    ResolveHost(String),
    /// Raise the time limit.
    RaiseTimeout,
    /// See whether a firewall drops the packets.
    CheckFirewall,
    /// Send fewer requests at a time.
    ReduceRequests,
    /// Retry for longer.
    RaiseRetries,
    /// Trust the certificate authority.
    TrustCertificateAuthority,
    /// Present a client certificate.
    SetClientCertificate,
    /// Present the key of the client certificate.
    SetClientKey,
    /// Use plain HTTP.
    UsePlainHttp,
    /// Start an embedded GMS.
    StartEmbeddedGms,
    /// Replay without asking what GMS has.
    ForceReplay,
    /// A text of a sink or a program outside of this crate.
    Other(String),
}

impl Fix {
    /// The text, with `place` for the source of a token.
    #[expect(clippy::too_many_lines, reason = "a table of texts")]
    pub fn text(&self, place: &dyn Fn(&TokenSource) -> String) -> String {
        let fixed = match self {
            Self::InstallPackage { python, requirement } => {
                return format!("install {requirement} into the environment of {}", python.display());
            }
            Self::RunWithUv { requirement } => return format!("or run with `uv run --with {requirement}`"),
            Self::CheckBrokers { bootstrap } => {
                return format!(
                    "see that a Kafka broker listens at {bootstrap}, and that the addresses that it advertises can be reached \
                     from here"
                );
            }
            Self::CheckBrokerTls => {
                "set security.protocol to what the broker's listener speaks, and ssl.ca.location to the file of its \
                 certificate authority"
            }
            Self::CheckBrokerCredentials => {
                "compare security.protocol, sasl.mechanism, sasl.username and sasl.password with the broker's listener"
            }
            Self::CreateTopic { topic } => {
                return format!(
                    "create the topic:  kafka-topics.sh --bootstrap-server <broker> --create --topic {topic}; or route \
                     MetadataChangeProposal to the topic that DataHub's consumer reads"
                );
            }
            Self::AllowTopic { topic } => {
                return format!("give the user of this client the ACL WRITE on the topic {topic}");
            }
            Self::AllowCluster => {
                "give the user of this client the ACL it lacks, IDEMPOTENT_WRITE or DESCRIBE on the cluster"
            }
            Self::SeeBrokerLog => "see the broker's log, which names the reason",
            Self::CorrectRegistry => {
                "correct the address of the schema registry: DataHub's own is http://<gms>:8080/schema-registry/api/"
            }
            Self::SetRegistryCredentials => {
                "set the credentials of the schema registry: basic.auth.user.info, or bearer.auth.token"
            }
            Self::RouteToKnownTopic => {
                "route MetadataChangeProposal to the topic whose schema the registry has: GMS's own registry knows \
                 only the topics that GMS is configured with"
            }
            Self::ReplaceSchema { subject } => {
                return format!(
                    "look at the schema that the registry has for {subject}: it must be compatible with DataHub's \
                     MetadataChangeProposal"
                );
            }
            Self::SeeRegistryLog => "see the schema registry's log; run again when it works",
            Self::InstallPython => "install Python 3.8 or later",
            Self::SetPython => "name the interpreter that has acryl-datahub: `PythonOptions::interpreter`",
            Self::CheckSourceType => "check the spelling of the source's type",
            Self::GiveMemory => "give the process more memory, or let the source read less at once",
            Self::CorrectSource => "correct the cause that the source names, and run again",
            // Texts with data.
            Self::CreateToken { source, user, service_account, .. } => {
                let of = service_account.as_deref().or(user.as_deref());
                let of = of.map_or_else(String::new, |user| format!(" for {user}"));
                let put = match source {
                    Some(TokenSource::File(path)) => format!("write it to {}", path.display()),
                    Some(TokenSource::Environment(name)) => {
                        format!("set the environment variable {name} to it")
                    }
                    _ => "give it to the client".to_owned(),
                };
                return format!("make a token{of} with `Client::create_access_token`, and {put}");
            }
            Self::CreateTokenInBrowser { frontend } => {
                return format!("or make one by hand at {frontend}/settings/tokens");
            }
            Self::CheckTokenFile(path) => {
                return format!("see that the file {} is there and can be read", path.display());
            }
            Self::CheckVariable(name) => return format!("see that {name} is set and exported"),
            Self::ProvideToken(source) => return format!("put a token into {}", place(source)),
            Self::CheckTokenForm(source) => {
                return format!(
                    "look at what {} really holds: DataHub's tokens are JWTs, three parts with dots between them",
                    place(source)
                );
            }
            Self::RemoveScheme(source) => {
                return format!(
                    "take away `Bearer ` from the beginning of {}, and leave the token alone",
                    place(source)
                );
            }
            Self::CopyTokenAgain(source) => {
                return format!(
                    "copy the token into {} again: it is one line of ASCII characters without white space and quotes",
                    place(source)
                );
            }
            Self::InspectToken(source) => return format!("see what is in {}", place(source)),
            Self::WriteTokenItself(path) => {
                return format!(
                    "write the token itself into {}; variables are not expanded in token files",
                    path.display()
                );
            }
            Self::ExpandVariable(name) => {
                return format!(
                    "set {name} to the token itself: the value is a reference to another variable"
                );
            }
            Self::TrustIssuer { issuer, audience } => {
                return format!(
                    "have GMS run with EXTERNAL_OAUTH_ENABLED=true, EXTERNAL_OAUTH_TRUSTED_ISSUERS={issuer} and \
                 EXTERNAL_OAUTH_ALLOWED_AUDIENCES={}; it takes no other issuer's tokens",
                    audience.as_deref().unwrap_or("<the token's aud claim>")
                );
            }
            Self::CheckTokenIsListed { frontend } => {
                return format!(
                    "see whether it is listed at {frontend}/settings/tokens: if it is not, it was revoked, or belongs to another \
                 DataHub"
                );
            }
            Self::CheckUser(user) => {
                return format!(
                    "see that {} is there, and is not suspended, under Settings > Users & Groups",
                    user.as_deref().unwrap_or("its user")
                );
            }
            Self::WaitUntil(time) => return format!("wait until {}, and run again", whole_seconds(*time)),
            Self::GrantPrivilege { actor, privilege, entity_types, operation } => {
                let on = if entity_types.is_empty() {
                    "the entity types that were sent".into()
                } else {
                    entity_types.join(", ")
                };
                let but = match operation {
                    Operation::Write => " (Edit Tags and the like do not count for ingestion)",
                    _ => "",
                };
                return format!(
                    "in DataHub under Settings > Permissions, give {} a metadata policy with the privilege {privilege} on \
                     {on}{but}",
                    caller(actor.as_deref())
                );
            }
            Self::GrantPlatformPrivilege { actor, privilege } => {
                return format!(
                    "in DataHub under Settings > Permissions, give {actor} a platform policy with the privilege {privilege}"
                );
            }
            Self::AlternativePrivilege { entity_type, privilege } => {
                return format!("for {entity_type} the platform privilege {privilege} does as well");
            }
            Self::ActivateUser(user) => {
                return format!(
                    "have an administrator look {} up in DataHub under Settings > Users & Groups, and reactivate it",
                    caller(user.as_deref())
                );
            }
            Self::SetServer(url) => return format!("give the builder the server {url}"),
            Self::BypassFrontend(url) => {
                return format!("or go past it, to GMS itself: give the builder the server {url}");
            }
            Self::AskProxyOwner { server } => {
                return format!(
                    "ask the operator of what stands in front of {server} to let requests to GMS's API pass from this machine"
                );
            }
            Self::AllowBearerTokens { server } => {
                return format!("have its operator let requests with a Bearer token pass to {server}");
            }
            Self::SkipProxy { host } => {
                return format!("go past the proxy: set the environment variable NO_PROXY to {host}");
            }
            Self::CorrectProxy { variable } => {
                return format!(
                    "or correct {variable}: it takes http://HOST:PORT, https:// or socks5h://, and the proxy \
                     must allow the connection"
                );
            }
            Self::ProbeServer(url) => return format!("see what answers at {url}/config"),
            Self::WaitForHealth(url) => return format!("wait until {url}/health answers 200"),
            Self::ResolveHost(host) => {
                return format!("see whether this machine can resolve the name {host}");
            }
            Self::Other(text) => return text.clone(),
            // Texts without data.
            Self::ConfigureToken => "give the token to `EmitterBuilder::token`",
            Self::UseDataHubToken => "or use a token that DataHub issues in its place",
            Self::SetTokenVariable => "set the variable that the recipe's token refers to; it is empty now",
            Self::CheckTokenCommand => {
                "run the command of the `CommandProvider` by hand, and see that it prints a token that is valid now"
            }
            Self::CheckTokenCommandOutput => {
                "run the command of the `CommandProvider` by hand: it must print the token, and nothing else, on standard output"
            }
            Self::CheckIdentityProvider => {
                "see that the endpoint of `OidcClientCredentials` is that of an identity provider whose tokens GMS accepts"
            }
            Self::CheckClientCredentials => {
                "compare the endpoint, client id and client secret of `OidcClientCredentials` with those of the identity provider"
            }
            Self::CompareSystemClient => {
                "compare DATAHUB_SYSTEM_CLIENT_ID and DATAHUB_SYSTEM_CLIENT_SECRET with GMS's own variables of these names"
            }
            Self::RunAgain => "run again: the embedded GMS makes a token for each run",
            Self::SetAuthorizationHeader => {
                "call `EmitterBuilder::extra_header` with \"Authorization\" and \"Bearer \" before the token"
            }
            Self::ReplaceAuthorizationHeader => {
                "give the token to `EmitterBuilder::token`, and no Authorization header to `EmitterBuilder::extra_header`"
            }
            Self::CorrectAuthorizationHeader => {
                "or write the header as GMS reads it: \"Bearer \" before the token, without quotes"
            }
            Self::RemoveCookie => "do not give a Cookie to `EmitterBuilder::extra_header`",
            Self::RemoveEscape => "expand the variable before the token is given to the builder",
            Self::LogAuthenticatorExceptions => {
                "if others are refused too, GMS cannot reach its token store, or its signing key has changed; the operator of \
                 GMS sets METADATA_SERVICE_AUTHENTICATOR_EXCEPTIONS_ENABLED=true, and its log names the cause"
            }
            Self::CompareIssuerClock => {
                "compare the clock of the token's issuer with the server's, if it should be valid already"
            }
            Self::CheckClock => "see whether the clock here is right",
            Self::SynchronizeClocks => {
                "set the clock of the machine that is wrong, here or GMS's, by NTP; then the same token is good"
            }
            Self::UsePrivilegedToken => "or use the token of a user who has that privilege",
            Self::ActAsPrivilegedUser => "or use a client with the token of a user who has that privilege",
            Self::UseRestli => {
                "if a policy gives that privilege on some entities only, call `EmitterBuilder::endpoint` with `Endpoint::Restli`"
            }
            Self::UseActiveUser => "or use the token of a user who is active",
            Self::EnableAuthentication => {
                "to have it on, set METADATA_SERVICE_AUTH_ENABLED=true for GMS and for DataHub's frontend, and restart both"
            }
            Self::EnableFrontendAuthentication => {
                "set METADATA_SERVICE_AUTH_ENABLED=true for the frontend (datahub-frontend) as well as for GMS, and restart it"
            }
            Self::UseGmsPort => "or GMS itself, usually on port 8080",
            Self::UseServiceName => {
                "or the service's name, if GMS runs in a container beside this one: http://datahub-gms:8080"
            }
            Self::CorrectServer => {
                "give GMS's own address to the builder: usually http://<host>:8080, or http://<host>:9002/api/gms through \
                 DataHub's frontend"
            }
            Self::CorrectHostForCertificate => "or give the host to the builder as the certificate names it",
            Self::CorrectHostName => {
                "correct the host in the server's address; inside Docker or Kubernetes it is the service's name, as \
                 datahub-gms, and only from within"
            }
            Self::UsualPorts => {
                "GMS usually listens on port 8080, and behind DataHub's frontend at http://<host>:9002/api/gms"
            }
            Self::BypassProxy => "or go past it, to GMS itself, usually on port 8080 inside the cluster",
            Self::SendProxyAuthorization => {
                "or send what it wants: call `EmitterBuilder::extra_header` with \"Proxy-Authorization\""
            }
            Self::BypassLoginPage => {
                "or go past it, to GMS's own address inside the network, for example http://datahub-gms:8080"
            }
            Self::SetProxyCredentials => {
                "or give it what it wants, in its own variable: HTTPS_PROXY (HTTP_PROXY for http://) takes \
                 http://USER:PASSWORD@PROXY:PORT"
            }
            Self::WaitLonger => "wait longer before the first request",
            Self::CheckGmsDependencies => {
                "if it stays like this, GMS's log says what it waits for (its database, Elasticsearch, Kafka)"
            }
            Self::CheckGmsLog => "look into GMS's log, and run again when it is well",
            Self::RaiseTimeout => "if it is only slow, give it more time with `EmitterBuilder::timeout`",
            Self::CheckFirewall => "if nothing comes back at all, a firewall on the way drops the packets",
            Self::ReduceRequests => {
                "run again later, with fewer requests at a time: call `EmitterBuilder::max_in_flight_requests`"
            }
            Self::RaiseRetries => "or retry for longer: call `EmitterBuilder::retry`",
            Self::TrustCertificateAuthority => {
                "if your own authority signed the server's certificate, give it to `EmitterBuilder::tls`"
            }
            Self::SetClientCertificate => "give a client certificate to `EmitterBuilder::tls`",
            Self::SetClientKey => "and, if the key is in a file of its own, the key as well",
            Self::UsePlainHttp => "if the port speaks plain HTTP, begin the server's address with http://",
            Self::StartEmbeddedGms => {
                "to try things out without a DataHub, start an embedded GMS (feature `embedded`)"
            }
            Self::ForceReplay => "replay without asking what GMS has",
        };
        fixed.to_owned()
    }
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&TokenSource::place))
    }
}

impl From<String> for Fix {
    fn from(text: String) -> Self {
        Self::Other(text)
    }
}
