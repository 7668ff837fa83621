//! `datahub-emit token inspect`.

use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;
use datahub_emitter::Environment;
use datahub_emitter::auth::{Token, TokenInfo, TokenMetadata, TokenSource};
use datahub_emitter::diagnosis::RenderedDiagnosis;
use datahub_emitter::gms::GmsEnvironment;
use datahub_emitter::{Error, ErrorKind};
use jiff::{SignedDuration, Timestamp};

use crate::cli::exit::Exit;
use crate::cli::renderer::CommandLine;
use crate::cli::{Global, output, server};

/// A token has some hundred bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// The issuer in DataHub's own tokens.
const DATAHUB: &str = "datahub-metadata-service";

#[derive(Debug, Args)]
#[command(after_help = "\
Asks no server, and never prints the token; `datahub-emit check` finds out whether GMS accepts it. Exits with code 1 if no
GMS can accept it, because it has expired or is malformed.

Examples:
  datahub-emit token inspect /run/secrets/datahub-token
  datahub-emit token inspect                            the token of --token-file, DATAHUB_GMS_TOKEN or ~/.datahubenv")]
pub(super) struct Inspect {
    /// The file with the token; `-` reads standard input. The default is the token that `get` and `put` would
    /// use.
    file: Option<PathBuf>,
}

impl Inspect {
    pub(super) fn run(self, global: &Global) -> Result<Exit, Error> {
        let token = match &self.file {
            Some(path) if path.as_os_str() == "-" => from_standard_input()?,
            Some(path) => server::read_token(path)?,
            None => configured(global)?,
        };
        let info = TokenInfo::new(&token);
        let mistake = token.lint().map(|mistake| mistake.render(&CommandLine));
        let now = Timestamp::now();
        let mut lines = vec![("token", format!("from {}", token.source().place()))];
        lines.push(("sha256", format!("{} (its first 8 digits)", token.fingerprint())));
        lines.push(("kind", kind(&info, mistake.as_ref(), token.source())));
        let mut good = mistake.is_none() && !info.empty;
        if let Some(claims) = &info.claims {
            let known = [
                ("actor", claims.actor_urn()),
                ("issuer", claims.issuer.clone()),
                ("audience", claims.audience.clone()),
                ("version", claims.version.clone()),
                ("signed", claims.algorithm.clone()),
            ];
            lines.extend(known.into_iter().filter_map(|(label, value)| Some((label, value?))));
            if let Some(start) = claims.not_before.filter(|start| *start > now) {
                lines.push(("begins", format!("{start}, in {}", rough(start.duration_since(now)))));
            }
            lines.push(match claims.expires_at {
                None => ("expires", "never".to_owned()),
                Some(end) if end > now => {
                    ("expires", format!("{end}, in {}", rough(end.duration_since(now))))
                }
                Some(end) => {
                    good = false;
                    ("expired", format!("{end}, {} ago", rough(now.duration_since(end))))
                }
            });
        }
        let file = self.file.as_deref().or(global.token_file.as_deref());
        if let Some(metadata) = file.and_then(|file| TokenMetadata::beside(file, &token)) {
            lines.push(("name", metadata.name));
            lines.push(("id", metadata.id));
        }
        if let Some(mistake) = &mistake {
            lines.push(("wrong", mistake.summary.clone()));
            lines.extend(mistake.fixes.iter().map(|fix| ("fix", fix.clone())));
        }
        let lines: Vec<_> = lines.iter().map(|(label, value)| format!("{label:<8}  {value}\n")).collect();
        output::write(lines.concat().as_bytes())?;
        Ok(if good { Exit::Done } else { Exit::Failed })
    }
}

fn kind(info: &TokenInfo, mistake: Option<&RenderedDiagnosis>, source: &TokenSource) -> String {
    let Some(claims) = &info.claims else {
        return match (info.empty, mistake.is_some()) {
            (true, _) => "empty: requests are sent without an Authorization header",
            (_, true) => "malformed",
            _ if *source == TokenSource::SystemClient => "GMS's system client",
            _ => "opaque: not a JWT, so it is not from DataHub, but may be from an identity provider",
        }
        .to_owned();
    };
    let datahub = claims.issuer.as_deref() == Some(DATAHUB);
    match (claims.kind.as_deref(), datahub) {
        (Some("PERSONAL"), true) => "a personal access token of DataHub".to_owned(),
        (Some("SESSION"), true) => {
            "a session token of DataHub: it ends with the session and cannot be revoked".to_owned()
        }
        (Some("SERVICE_ACCOUNT"), true) => "a service account token of DataHub".to_owned(),
        (Some(kind), true) => format!("a token of DataHub of an unknown kind ({kind})"),
        _ => {
            "a JWT of another issuer: GMS accepts it only if it is configured to trust that issuer".to_owned()
        }
    }
}

fn from_standard_input() -> Result<Token, Error> {
    let problem = |what: &str| Error::new(ErrorKind::Input, format!("standard input {what}"));
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| problem("cannot be read").with_source(error))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(problem("is too large to be a token"));
    }
    // The error must not quote the token.
    let text = std::str::from_utf8(&bytes).map_err(|_| problem("is not UTF-8"))?;
    Ok(Token::new(text.trim(), TokenSource::File("-".into())))
}

fn configured(global: &Global) -> Result<Token, Error> {
    if let Some(path) = &global.token_file {
        return server::read_token(path);
    }
    GmsEnvironment::read(&Environment::from_process())?.token.ok_or_else(|| {
        Error::new(
            ErrorKind::Input,
            "there is no token to inspect: name a file, or - for standard input, or set DATAHUB_GMS_TOKEN",
        )
    })
}

/// The two largest units of a duration.
fn rough(span: SignedDuration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}
