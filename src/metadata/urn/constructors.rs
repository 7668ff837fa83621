//! URNs of the common entity types, made of the parts of their keys.

use percent_encoding::percent_encode_byte;

use super::{RESERVED, Urn, UrnError};

const PLATFORM: &str = "urn:li:dataPlatform:";

/// The parts of a key are encoded as in DataHub's Python client (`UrnEncoder`): `,`, `(`, `)` and `␟` become
/// percent escapes. Other characters, `%` among them, stay as they are.
impl Urn {
    /// A dataset: `urn:li:dataset:(urn:li:dataPlatform:<platform>,<name>,<env>)`. `platform` is the name of a
    /// data platform or its URN; `env` is turned into upper case.
    ///
    /// ```
    /// use datahub_emitter::metadata::Urn;
    ///
    /// let urn = Urn::dataset("s3", "bucket/orders (copy)", "prod")?;
    /// assert_eq!(urn.as_str(), "urn:li:dataset:(urn:li:dataPlatform:s3,bucket/orders %28copy%29,PROD)");
    /// # Ok::<_, datahub_emitter::metadata::UrnError>(())
    /// ```
    ///
    /// # Errors
    /// When a part is empty, or contains a control character.
    pub fn dataset(platform: &str, name: &str, env: &str) -> Result<Self, UrnError> {
        Self::with_key("dataset", &[&platform_urn(platform)?, &encoded(name)?, &encoded_env(env)?])
    }

    /// A data platform: `urn:li:dataPlatform:<name>`.
    ///
    /// # Errors
    /// When `name` is empty, or contains a control character.
    pub fn data_platform(name: &str) -> Result<Self, UrnError> {
        Self::with_key("dataPlatform", &[&encoded(name)?])
    }

    /// An instance of a data platform:
    /// `urn:li:dataPlatformInstance:(urn:li:dataPlatform:<platform>,<instance>)`.
    ///
    /// # Errors
    /// When a part is empty, or contains a control character.
    pub fn data_platform_instance(platform: &str, instance: &str) -> Result<Self, UrnError> {
        Self::with_key("dataPlatformInstance", &[&platform_urn(platform)?, &encoded(instance)?])
    }

    /// A container, such as a database or a schema: `urn:li:container:<guid>`.
    ///
    /// # Errors
    /// When `guid` is empty, or contains a control character.
    pub fn container(guid: &str) -> Result<Self, UrnError> {
        Self::with_key("container", &[&encoded(guid)?])
    }

    /// A pipeline: `urn:li:dataFlow:(<orchestrator>,<flow_id>,<cluster>)`.
    ///
    /// # Errors
    /// When a part is empty, or contains a control character.
    pub fn data_flow(orchestrator: &str, flow_id: &str, cluster: &str) -> Result<Self, UrnError> {
        Self::with_key("dataFlow", &[&encoded(orchestrator)?, &encoded(flow_id)?, &encoded(cluster)?])
    }

    /// A task of a pipeline: `urn:li:dataJob:(<flow>,<job_id>)`.
    ///
    /// # Errors
    /// When `flow` is not the URN of a data flow, or `job_id` is empty or contains a control character.
    pub fn data_job(flow: &Self, job_id: &str) -> Result<Self, UrnError> {
        if flow.entity_type() != "dataFlow" {
            return Err(UrnError::new("the URN of a dataFlow", flow.as_str()));
        }
        Self::with_key("dataJob", &[flow.as_str(), &encoded(job_id)?])
    }

    /// A chart: `urn:li:chart:(<tool>,<id>)`.
    ///
    /// # Errors
    /// When a part is empty, or contains a control character.
    pub fn chart(tool: &str, id: &str) -> Result<Self, UrnError> {
        Self::with_key("chart", &[&encoded(tool)?, &encoded(id)?])
    }

    /// A dashboard: `urn:li:dashboard:(<tool>,<id>)`.
    ///
    /// # Errors
    /// When a part is empty, or contains a control character.
    pub fn dashboard(tool: &str, id: &str) -> Result<Self, UrnError> {
        Self::with_key("dashboard", &[&encoded(tool)?, &encoded(id)?])
    }

    /// A field of a dataset's schema: `urn:li:schemaField:(<parent>,<field_path>)`.
    ///
    /// # Errors
    /// When `field_path` is empty, or contains a control character.
    pub fn schema_field(parent: &Self, field_path: &str) -> Result<Self, UrnError> {
        Self::with_key("schemaField", &[parent.as_str(), &encoded(field_path)?])
    }

    /// A tag: `urn:li:tag:<name>`.
    ///
    /// # Errors
    /// When `name` is empty, or contains a control character.
    pub fn tag(name: &str) -> Result<Self, UrnError> {
        Self::with_key("tag", &[&encoded(name)?])
    }

    /// A glossary term: `urn:li:glossaryTerm:<name>`.
    ///
    /// # Errors
    /// When `name` is empty, or contains a control character.
    pub fn glossary_term(name: &str) -> Result<Self, UrnError> {
        Self::with_key("glossaryTerm", &[&encoded(name)?])
    }

    /// A glossary node, which is a group of terms: `urn:li:glossaryNode:<name>`.
    ///
    /// # Errors
    /// When `name` is empty, or contains a control character.
    pub fn glossary_node(name: &str) -> Result<Self, UrnError> {
        Self::with_key("glossaryNode", &[&encoded(name)?])
    }

    /// A domain: `urn:li:domain:<id>`.
    ///
    /// # Errors
    /// When `id` is empty, or contains a control character.
    pub fn domain(id: &str) -> Result<Self, UrnError> {
        Self::with_key("domain", &[&encoded(id)?])
    }

    /// A data product: `urn:li:dataProduct:<id>`.
    ///
    /// # Errors
    /// When `id` is empty, or contains a control character.
    pub fn data_product(id: &str) -> Result<Self, UrnError> {
        Self::with_key("dataProduct", &[&encoded(id)?])
    }

    /// A user: `urn:li:corpuser:<username>`.
    ///
    /// # Errors
    /// When `username` is empty, or contains a control character.
    pub fn corp_user(username: &str) -> Result<Self, UrnError> {
        Self::with_key("corpuser", &[&encoded(username)?])
    }

    /// A group of users: `urn:li:corpGroup:<name>`.
    ///
    /// # Errors
    /// When `name` is empty, or contains a control character.
    pub fn corp_group(name: &str) -> Result<Self, UrnError> {
        Self::with_key("corpGroup", &[&encoded(name)?])
    }

    /// A machine-learning model: `urn:li:mlModel:(urn:li:dataPlatform:<platform>,<name>,<env>)`. `platform`
    /// is the name of a data platform or its URN; `env` is turned into upper case.
    ///
    /// # Errors
    /// When a part is empty, or contains a control character.
    pub fn ml_model(platform: &str, name: &str, env: &str) -> Result<Self, UrnError> {
        Self::with_key("mlModel", &[&platform_urn(platform)?, &encoded(name)?, &encoded_env(env)?])
    }

    /// The URN with a key of these parts, which are encoded already.
    fn with_key(entity_type: &str, parts: &[&str]) -> Result<Self, UrnError> {
        Self::parse(&match parts {
            [only] => format!("urn:li:{entity_type}:{only}"),
            several => format!("urn:li:{entity_type}:({})", several.join(",")),
        })
    }
}

/// The URN of a data platform, of which the name or the whole URN is given.
fn platform_urn(platform: &str) -> Result<String, UrnError> {
    let name = encoded(platform.strip_prefix(PLATFORM).unwrap_or(platform))?;
    Ok(format!("{PLATFORM}{name}"))
}

/// Names of environments (`FabricType.pdl`) are in upper case.
fn encoded_env(env: &str) -> Result<String, UrnError> {
    encoded(&env.to_uppercase())
}

/// One part of a key.
fn encoded(part: &str) -> Result<String, UrnError> {
    if part.is_empty() {
        return Err(UrnError::new("a key without empty parts", part));
    }
    let mut out = String::with_capacity(part.len());
    for character in part.chars() {
        if matches!(character, ',' | '(' | ')' | RESERVED) {
            out.extend(character.encode_utf8(&mut [0; 4]).bytes().map(percent_encode_byte));
        } else {
            out.push(character);
        }
    }
    Ok(out)
}
