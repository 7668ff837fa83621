//! The errors of a source that runs in Python.

use std::path::Path;

use super::config::PythonSourceConfig;
use super::extraction::{EndedExtraction, ExtractionEnd, signal_of};
use super::interpreter::has_uv;
use super::messages::ChildError;
use crate::diagnosis::{Code, Diagnosis, Evidence, Fix, Summary};
use crate::{Error, ErrorKind};

const PACKAGE: &str = "acryl-datahub";

/// Failures of the source that a diagnosis lists.
const MAX_FAILURES: usize = 10;

/// The error of an extraction that did not reach its end, or whose source has reported failures.
pub(super) fn of_extraction(
    ended: &EndedExtraction,
    config: &PythonSourceConfig,
    python: &Path,
) -> Result<(), Error> {
    let source_type = config.source_type.clone();
    let failures = ended.report.as_ref().map(|report| report.failures.as_slice()).unwrap_or_default();
    let failed = |message: String| Summary::SourceFailed { source_type: source_type.clone(), message };
    let summary = match &ended.end {
        ExtractionEnd::Complete if failures.is_empty() => return Ok(()),
        ExtractionEnd::ReaderGone => return Ok(()),
        ExtractionEnd::Complete => {
            Summary::SourceReportedFailures { source_type: source_type.clone(), count: failures.len() }
        }
        ExtractionEnd::Error(error) => return Err(of_child(error, config, python)),
        ExtractionEnd::Died(status) => match (signal_of(*status), status) {
            (Some(signal), _) => Summary::SourceKilled { source_type: source_type.clone(), signal },
            (None, Some(status)) => failed(format!("its process ended early ({status})")),
            (None, None) => failed("its process ended early".to_owned()),
        },
        ExtractionEnd::Protocol(problem) => failed(problem.clone()),
        ExtractionEnd::SpoolFull => failed(
            "it was stopped, because the spool has reached `spool_max_bytes` and nothing is delivered".into(),
        ),
        ExtractionEnd::SpoolFailed(error) => {
            return Err(Error::new(ErrorKind::Disk, format!("cannot write the spool: {error}")));
        }
    };
    let fix = match &summary {
        Summary::SourceKilled { signal: 9, .. } => Fix::GiveMemory,
        _ => Fix::CorrectSource,
    };
    let listed = failures
        .iter()
        .take(MAX_FAILURES)
        .map(|failure| Evidence::SourceFailure(config.secrets.mask(failure)));
    let more = failures.len().saturating_sub(MAX_FAILURES);
    Err(Diagnosis::new(Code::SourceFailed, summary)
        .with_evidence(listed)
        .with_evidence((more > 0).then_some(Evidence::MoreFailures(more)))
        .with_evidence([Evidence::PythonUsed(python.to_owned())])
        .with_fixes([fix])
        .into())
}

/// The error of a source that has reported why it cannot run.
pub(super) fn of_child(error: &ChildError, config: &PythonSourceConfig, python: &Path) -> Error {
    if let Some(traceback) = &error.traceback {
        tracing::info!("{}", config.secrets.mask(traceback));
    }
    let (source_type, python) = (config.source_type.clone(), python.to_owned());
    let message = config.secrets.mask(&error.message);
    match error.code.as_str() {
        "config" => config.error(&error.errors),
        "package-missing" => {
            let requirement = requirement(error.extra.as_deref().or_else(|| known_extra(&source_type)));
            missing(
                Summary::PackageMissing { source_type, python: python.clone() },
                None,
                &requirement,
                config,
                &python,
            )
        }
        "plugin-missing" => {
            let module = error.module.clone();
            let is_class = source_type.contains(['.', ':']);
            let requirement = requirement(error.extra.as_deref());
            let summary = Summary::PluginMissing { source_type, python: python.clone(), module };
            let evidence = Evidence::ImportFailed(message);
            if is_class || (error.extra.is_none() && !error.known) {
                // The name may be wrong, and so may the environment.
                return Diagnosis::new(Code::PluginMissing, summary)
                    .with_evidence([evidence])
                    .with_fixes([Fix::CheckSourceType, Fix::SetPython])
                    .into();
            }
            missing(summary, Some(evidence), &requirement, config, &python)
        }
        _ => Diagnosis::new(Code::SourceFailed, Summary::SourceFailed { source_type, message })
            .with_evidence([Evidence::PythonUsed(python)])
            .with_fixes([Fix::CorrectSource])
            .into(),
    }
}

fn missing(
    summary: Summary,
    evidence: Option<Evidence>,
    requirement: &str,
    config: &PythonSourceConfig,
    python: &Path,
) -> Error {
    let install = Fix::InstallPackage { python: python.to_owned(), requirement: requirement.to_owned() };
    let with_uv = Fix::RunWithUv { requirement: requirement.to_owned() };
    Diagnosis::new(Code::PluginMissing, summary)
        .with_evidence(evidence)
        .with_fixes([install])
        .with_fixes(has_uv(&config.environment).then_some(with_uv))
        .with_fixes([Fix::SetPython])
        .into()
}

fn requirement(extra: Option<&str>) -> String {
    extra.map_or_else(|| PACKAGE.to_owned(), |extra| format!("{PACKAGE}[{extra}]"))
}

/// The extra of a source, for an environment whose package cannot be asked. Most extras have the name of the
/// source.
fn known_extra(source_type: &str) -> Option<&str> {
    /// Sources that need nothing but the package.
    const WITHOUT_EXTRA: [&str; 9] = [
        "business-glossary",
        "csv-enricher",
        "datahub-business-glossary",
        "datahub-debug",
        "datahub-gc",
        "datahub-lineage-file",
        "datahub-mock-data",
        "demo-data",
        "json-schema",
    ];
    let is_known = crate::source::registry::is_python_connector(source_type);
    (is_known && !WITHOUT_EXTRA.contains(&source_type)).then_some(source_type)
}
