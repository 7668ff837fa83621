//! What GMS knows of the keys of some entity types.

/// A part of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Any text, called so.
    Any(&'static str),
    /// A URN that starts so.
    Urn(&'static str),
}

const PLATFORM: Part = Part::Urn("urn:li:dataPlatform:");

/// The entity types with keys of several parts, from the records in `com.linkedin.metadata.key`. A type that is not
/// here has a key of one part, or is unknown, and is not checked; nor is the fabric, of which GMS's list grows.
const KEYS: [(&str, &[Part]); 15] = [
    ("chart", &[Part::Any("tool"), Part::Any("id")]),
    ("dashboard", &[Part::Any("tool"), Part::Any("id")]),
    ("dataFlow", &[Part::Any("orchestrator"), Part::Any("id"), Part::Any("cluster")]),
    ("dataJob", &[Part::Urn("urn:li:dataFlow:"), Part::Any("id")]),
    ("dataPlatformInstance", &[PLATFORM, Part::Any("instance")]),
    ("dataProcess", &[Part::Any("name"), Part::Any("orchestrator"), Part::Any("fabric")]),
    ("dataset", &[PLATFORM, Part::Any("name"), Part::Any("fabric")]),
    ("mlFeature", &[Part::Any("namespace"), Part::Any("name")]),
    ("mlFeatureTable", &[PLATFORM, Part::Any("name")]),
    ("mlModel", &[PLATFORM, Part::Any("name"), Part::Any("fabric")]),
    ("mlModelDeployment", &[PLATFORM, Part::Any("name"), Part::Any("fabric")]),
    ("mlModelGroup", &[PLATFORM, Part::Any("name"), Part::Any("fabric")]),
    ("mlPrimaryKey", &[Part::Any("namespace"), Part::Any("name")]),
    ("notebook", &[Part::Any("tool"), Part::Any("id")]),
    ("schemaField", &[Part::Urn("urn:li:"), Part::Any("field path")]),
];

impl Part {
    fn accepts(self, text: &str) -> bool {
        match self {
            Self::Any(_) => true,
            Self::Urn(start) => text.strip_prefix(start).is_some_and(|rest| !rest.is_empty()),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Any(name) => name.to_owned(),
            Self::Urn(start) => format!("{start}…"),
        }
    }

    fn expected(self) -> String {
        match self {
            Self::Any(name) => name.to_owned(),
            Self::Urn(start) => format!("a URN that starts with {start}"),
        }
    }
}

/// What is wrong with the key of an entity of this type, if it is one that is checked and something is.
pub(super) fn fault(entity_type: &str, key: &str) -> Option<String> {
    let (_, expected) = KEYS.iter().find(|(known, _)| *known == entity_type)?;
    let form = || {
        let names: Vec<_> = expected.iter().map(|part| part.name()).collect();
        format!("({})", names.join(","))
    };
    let parts = match parts(key) {
        Ok(parts) => parts,
        Err(what) => return Some(format!("its key {what}: expected {}", form())),
    };
    if parts.len() != expected.len() {
        return Some(format!(
            "its key has {} where a {entity_type} has {}: expected {}",
            count(parts.len()),
            expected.len(),
            form()
        ));
    }
    let (wrong, expected) = parts.iter().zip(*expected).find(|(part, expected)| !expected.accepts(part))?;
    let shown: String = wrong.chars().take(80).collect();
    Some(format!("its key holds {shown:?} instead of {}", expected.expected()))
}

fn count(parts: usize) -> String {
    if parts == 1 { "1 part".to_owned() } else { format!("{parts} parts") }
}

/// The parts of a key in parentheses, split as GMS splits them (`TupleKey.java`); a key without parentheses is one part.
fn parts(key: &str) -> Result<Vec<&str>, &'static str> {
    const UNBALANCED: &str = "has parentheses that do not match";
    let Some(inside) = key.strip_prefix('(') else {
        return Ok(vec![key]);
    };
    let inside = inside.strip_suffix(')').ok_or(UNBALANCED)?;
    let mut depth = 0_u32;
    let mut unbalanced = false;
    let parts: Vec<_> = inside
        .split(|character| {
            match character {
                '(' => depth += 1,
                ')' => match depth.checked_sub(1) {
                    Some(less) => depth = less,
                    None => unbalanced = true,
                },
                _ => {}
            }
            character == ',' && depth == 0
        })
        .collect();
    if unbalanced || depth > 0 {
        return Err(UNBALANCED);
    }
    if parts.iter().any(|part| part.is_empty()) {
        return Err("has an empty part");
    }
    Ok(parts)
}
