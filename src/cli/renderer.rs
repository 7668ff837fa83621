//! Diagnoses in the words of the command line: commands to type, and lines of a recipe.

use datahub_emitter::diagnosis::{Evidence, Fix, Renderer, Summary, TokenSource};

use super::shell;

/// The user that every DataHub has from the start.
const FIRST_USER: &str = "datahub";

/// The renderer of the command line. A command is a whole line, or follows a colon and two spaces; it works
/// as it is printed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CommandLine;

impl Renderer for CommandLine {
    fn token_source(&self, source: &TokenSource) -> String {
        match source {
            TokenSource::Recipe => "the recipe's sink.config.token".into(),
            TokenSource::ExtraHeaders => "the recipe's sink.config.extra_headers.Authorization".into(),
            other => other.place(),
        }
    }

    fn summary(&self, summary: &Summary) -> String {
        summary.text(&|source| self.token_source(source))
    }

    fn evidence(&self, evidence: &Evidence) -> String {
        match evidence {
            Evidence::AuthorizationHeader => {
                "extra_headers.Authorization goes as it is, and no other token counts beside it".into()
            }
            Evidence::CookieReplacesToken => {
                "extra_headers sends a Cookie: the frontend puts its session's token in place of this one".into()
            }
            Evidence::CookieDecidesUser => {
                "extra_headers sends a Cookie: the frontend acts as its session's user, and not as the token's"
                    .into()
            }
            other => other.text(&|source| self.token_source(source)),
        }
    }

    fn fix(&self, fix: &Fix) -> String {
        recipe_line(fix).or_else(|| command(fix)).unwrap_or_else(|| self.advice(fix))
    }
}

impl CommandLine {
    /// Fixes that are neither a command nor a line of a recipe.
    fn advice(self, fix: &Fix) -> String {
        match fix {
            Fix::SetTokenVariable => {
                "set the variable that sink.config.token of the recipe names; it is empty now".into()
            }
            Fix::CheckTokenCommand => {
                "run the command of sink.config.auth by hand, and see that it prints a token that is good now".into()
            }
            Fix::CheckTokenCommandOutput => {
                "run the command of sink.config.auth by hand: it must print the token, and nothing else, on standard output"
                    .into()
            }
            Fix::CheckIdentityProvider => {
                "see that token_endpoint under sink.config.auth is that of an identity provider whose tokens GMS takes"
                    .into()
            }
            Fix::CheckClientCredentials => {
                "compare token_endpoint, client_id and client_secret under sink.config.auth with what the identity provider \
                 has"
                    .into()
            }
            Fix::SetPython => {
                "or name the interpreter that has acryl-datahub:  --python PATH, or DATAHUB_EMIT_PYTHON=PATH".into()
            }
            Fix::CheckSourceType => "check the spelling of source.type in the recipe".into(),
            Fix::RemoveCookie => "take Cookie out of sink.config.extra_headers".into(),
            Fix::RemoveEscape => {
                "take away the backslash or the second `$` before `{`, so that the variable is expanded".into()
            }
            Fix::WriteTokenItself(path) => format!(
                "write the token itself into {}; variables are expanded in recipes, and not in token files",
                path.display()
            ),
            Fix::GrantPrivilege { actor, privilege, operation, entity_types } if entity_types.is_empty() => {
                let entity_types = vec!["the entity types of this file".to_owned()];
                let (actor, privilege, operation) = (actor.clone(), *privilege, *operation);
                Fix::GrantPrivilege { actor, privilege, operation, entity_types }.text(&TokenSource::place)
            }
            Fix::CorrectServer => {
                "write GMS's own address into sink.config.server: usually http://<host>:8080, or \
                 http://<host>:9002/api/gms through DataHub's frontend"
                    .into()
            }
            Fix::CorrectHostForCertificate => {
                "or write the host into sink.config.server as the certificate names it".into()
            }
            Fix::CorrectHostName => {
                "correct the host in sink.config.server; inside Docker or Kubernetes it is the service's name, as \
                 datahub-gms, and only from within"
                    .into()
            }
            Fix::UsePlainHttp => "if the port speaks plain HTTP, write http:// in sink.config.server".into(),
            Fix::ActAsPrivilegedUser => {
                "or do it as a user who has that privilege: --user <name> --frontend <URL> with token create, --token-file \
                 <FILE> with the others"
                    .into()
            }
            Fix::ForceReplay => "--force sends the dead letters without asking what GMS has".into(),
            other => other.text(&|source| self.token_source(source)),
        }
    }
}

/// Fixes that are a line of the recipe, below `sink.config`.
fn recipe_line(fix: &Fix) -> Option<String> {
    let (advice, line) = match fix {
        Fix::ConfigureToken => ("", "token: ${DATAHUB_GMS_TOKEN}"),
        Fix::SetAuthorizationHeader => ("", "extra_headers: {Authorization: 'Bearer ${DATAHUB_GMS_TOKEN}'}"),
        Fix::ReplaceAuthorizationHeader => {
            return Some(
                "take that header out of extra_headers, and write under sink.config:  token: ${DATAHUB_GMS_TOKEN}"
                    .into(),
            );
        }
        Fix::CorrectAuthorizationHeader => {
            return Some(
                "or write it as GMS reads it:  extra_headers: {Authorization: 'Bearer ${DATAHUB_GMS_TOKEN}'}"
                    .into(),
            );
        }
        Fix::UseServiceName => {
            return Some(
                "or the service's name, if GMS runs in a container beside this one:  server: http://datahub-gms:8080"
                    .into(),
            );
        }
        Fix::SetClientKey => {
            return Some(
                "and, if the key is in a file of its own:  client_key_path: /path/to/client.key".into(),
            );
        }
        Fix::SetServer(url) => return Some(format!("in the recipe, under sink.config:  server: {url}")),
        Fix::BypassFrontend(url) => {
            return Some(format!(
                "or go past it, to GMS itself; in the recipe, under sink.config:  server: {url}"
            ));
        }
        Fix::UseRestli => ("if a policy gives that privilege on some entities only", "endpoint: restli"),
        Fix::SendProxyAuthorization => {
            ("or send what it wants", "extra_headers: {Proxy-Authorization: 'Bearer ${PROXY_TOKEN}'}")
        }
        Fix::BypassLoginPage => {
            ("or go past it, to GMS's own address inside the network", "server: http://datahub-gms:8080")
        }
        Fix::WaitLonger => ("have a run wait longer for it", "wait_for_server: 10m"),
        Fix::RaiseTimeout => ("if it is only slow, give it more time", "timeout_sec: 120"),
        Fix::ReduceRequests => ("run again later, with fewer requests at a time", "max_threads: 2"),
        Fix::RaiseRetries => ("or let it try for longer", "retry_max_times: 20"),
        Fix::TrustCertificateAuthority => {
            ("if your own authority signed the server's certificate", "ca_certificate_path: /path/to/ca.pem")
        }
        Fix::SetClientCertificate => ("", "client_certificate_path: /path/to/client.pem"),
        _ => return None,
    };
    let separator = if advice.is_empty() { "" } else { "; " };
    Some(format!("{advice}{separator}in the recipe, under sink.config:  {line}"))
}

/// Fixes that are a command, or end with one.
fn command(fix: &Fix) -> Option<String> {
    let path_word = |path: &std::path::Path| shell::word(&path.to_string_lossy());
    Some(match fix {
        Fix::InstallPackage { python, requirement } => {
            format!("{} -m pip install {}", path_word(python), shell::word(requirement))
        }
        Fix::RunWithUv { requirement } => {
            format!(
                "or without installing it:  uv run --no-project --with {} {}",
                shell::word(requirement),
                this_command()
            )
        }
        Fix::CreateToken { source, user, service_account, frontend } => {
            let create = create_token(user.as_deref(), service_account.as_deref(), frontend);
            match source {
                Some(TokenSource::File(path)) => format!("{create} --out {}", path_word(path)),
                Some(TokenSource::Environment(name)) => format!("export {name}=$({create})"),
                _ => format!("export DATAHUB_GMS_TOKEN=$({create})"),
            }
        }
        Fix::UseDataHubToken => {
            "or use a token of DataHub's own in its place:  datahub-emit token create --help".into()
        }
        Fix::CheckTokenFile(path) => {
            format!("see that the file is there and can be read:  ls -l {}", path_word(path))
        }
        Fix::CheckVariable(name) => format!("see that it is set and exported:  printenv {name}"),
        Fix::InspectToken(TokenSource::File(path)) => {
            format!("see what is in there:  datahub-emit token inspect {}", path_word(path))
        }
        Fix::InspectToken(TokenSource::Environment(name)) => {
            format!("see what is in there:  printenv {name} | datahub-emit token inspect")
        }
        Fix::ExpandVariable(name) => format!(
            "set it in double quotes or none, so that the shell puts the value in:  export {name}=\"$OTHER_VARIABLE\""
        ),
        Fix::CheckClock => "see whether the clock here is right:  date -u".into(),
        Fix::SkipProxy { host } => format!("go past the proxy:  export NO_PROXY={}", shell::word(host)),
        Fix::ProbeServer(url) => {
            format!("see what answers there:  curl -i {}/config", shell::word(url))
        }
        Fix::WaitForHealth(url) => {
            format!("wait until this answers 200:  curl -i {}/health", shell::word(url))
        }
        Fix::ResolveHost(host) => {
            format!("see whether this machine knows the name:  getent hosts {}", shell::word(host))
        }
        Fix::StartEmbeddedGms => {
            "to try things out without a DataHub, start the GMS in the box:  datahub-emit gms serve".into()
        }
        _ => return None,
    })
}

/// The command that makes a token. A service account has no password, so a user who manages tokens makes its
/// token.
fn create_token(user: Option<&str>, service_account: Option<&str>, frontend: &str) -> String {
    let name = shell::word(user.unwrap_or("datahub-emit"));
    let frontend = shell::word(frontend);
    match service_account {
        Some(urn) => format!(
            "datahub-emit token create --name {name} --actor {} --user {FIRST_USER} --frontend {frontend}",
            shell::word(urn)
        ),
        None => format!(
            "datahub-emit token create --name {name} --user {} --frontend {frontend}",
            shell::word(user.unwrap_or(FIRST_USER))
        ),
    }
}

/// The command line of this process.
fn this_command() -> String {
    let words: Vec<String> = std::env::args_os().map(|word| shell::word(&word.to_string_lossy())).collect();
    words.join(" ")
}
