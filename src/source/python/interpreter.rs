//! Finds the Python that runs a source.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::diagnosis::{Code, Diagnosis, Evidence, Fix, Summary};
use crate::environment::Environment;

/// Names an interpreter, unless the caller names one.
pub(super) const VARIABLE: &str = "DATAHUB_EMIT_PYTHON";

/// Finds the interpreter: the one that the caller names, that of [`VARIABLE`], that of the active virtual
/// environment, or `python3` on the path.
///
/// # Errors
/// `source.python-missing`, with the places that were searched.
pub(super) fn find(
    given: Option<&Path>,
    environment: &Environment,
    source_type: &str,
) -> Result<PathBuf, Error> {
    let mut searched = Vec::new();
    let named = given.map(|path| ("--python", path.to_owned())).or_else(|| {
        Some((VARIABLE, PathBuf::from(environment.get(VARIABLE).filter(|name| !name.is_empty())?)))
    });
    if let Some((setting, name)) = named {
        // A name that was given and is wrong must not be replaced by another interpreter.
        if let Some(found) = resolve(&name, environment) {
            return Ok(found);
        }
        searched.push(format!("{setting} names {}, which is not a program", name.display()));
        return Err(missing(source_type, searched));
    }
    match environment.get("VIRTUAL_ENV").filter(|directory| !directory.is_empty()) {
        Some(directory) => {
            let python = Path::new(directory).join("bin").join("python");
            if is_program(&python) {
                return Ok(python);
            }
            searched.push(format!("the active virtual environment {directory} has no bin/python"));
        }
        None => searched.push("no virtual environment is active (VIRTUAL_ENV is not set)".to_owned()),
    }
    if let Some(found) = ["python3", "python"].iter().find_map(|name| on_path(name, environment)) {
        return Ok(found);
    }
    searched.push("neither python3 nor python is on the path".to_owned());
    Err(missing(source_type, searched))
}

/// Whether `uv` is on the path.
pub(super) fn has_uv(environment: &Environment) -> bool {
    on_path("uv", environment).is_some()
}

fn missing(source_type: &str, searched: Vec<String>) -> Error {
    let summary = Summary::PythonMissing { source_type: source_type.to_owned() };
    Diagnosis::new(Code::PythonMissing, summary)
        .with_evidence(searched.into_iter().map(Evidence::PythonSearched))
        .with_fixes([Fix::InstallPython, Fix::SetPython])
        .into()
}

/// A name without a slash is looked up on the path, as a shell does.
fn resolve(name: &Path, environment: &Environment) -> Option<PathBuf> {
    if name.components().count() > 1 || name.is_absolute() {
        return is_program(name).then(|| name.to_owned());
    }
    on_path(name, environment)
}

fn on_path(name: impl AsRef<OsStr>, environment: &Environment) -> Option<PathBuf> {
    let name = name.as_ref();
    env::split_paths(environment.get("PATH")?)
        .map(|directory| directory.join(name))
        .find(|candidate| is_program(candidate))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn program(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn what_is_named_comes_before_the_virtual_environment_and_the_path() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["path/python3", "venv/bin/python", "variable", "given"] {
            program(&at(name));
        }
        let text = |name: &str| at(name).display().to_string();
        let mut variables = vec![("PATH", text("path"))];
        let find = |given: Option<&Path>, variables: &[(&str, String)]| {
            super::find(given, &Environment::from_pairs(variables.iter().cloned()), "postgres").unwrap()
        };
        assert_eq!(find(None, &variables), at("path/python3"));
        variables.push(("VIRTUAL_ENV", text("venv")));
        assert_eq!(find(None, &variables), at("venv/bin/python"));
        variables.push((VARIABLE, text("variable")));
        assert_eq!(find(None, &variables), at("variable"));
        assert_eq!(find(Some(&at("given")), &variables), at("given"));
        assert_eq!(find(Some(Path::new("python3")), &variables), at("path/python3"));
    }

    #[test]
    fn a_named_interpreter_that_is_missing_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        program(&directory.path().join("python3"));
        let environment = Environment::from_pairs([("PATH", directory.path().display().to_string())]);
        let error = find(Some(Path::new("/no/such/python")), &environment, "postgres").unwrap_err();
        assert_eq!(error.diagnosis().unwrap().code, Code::PythonMissing);
        assert!(error.diagnosis().unwrap().to_string().contains("/no/such/python"));
    }
}
