//! The registry of sources.

use super::Source;
use super::file::{FileSource, FileSourceConfig};
use crate::Error;
use crate::recipe::registry::Registry;

/// Opens a source whose keys were read. Files and servers are accessed only now.
pub type OpenSource = Box<dyn FnOnce() -> Result<Box<dyn Source>, Error> + Send>;

/// Finds a source by the recipe's `source.type`.
pub type SourceRegistry = Registry<OpenSource>;

impl Default for SourceRegistry {
    /// The sources of this crate: `file`.
    fn default() -> Self {
        let mut registry = Self::new("source", advice);
        registry.register("file", |fields| {
            let config = FileSourceConfig::read(fields)?;
            Ok(Box::new(move || FileSource::open(config).map(|source| Box::new(source) as Box<dyn Source>)))
        });
        registry
    }
}

/// The advice for a source that only DataHub's Python client has.
fn advice(source_type: &str) -> Option<String> {
    is_python_connector(source_type).then(|| {
        let shown: String = source_type.chars().take(80).collect();
        format!(
            "the source `{shown}` exists in DataHub's Python client, not here: run it there with `sink: {{type: file, \
             config: {{filename: out.json}}}}`, then ingest out.json here with `source: {{type: file, config: {{path: \
             out.json}}}}`"
        )
    })
}

/// Whether DataHub's Python client has a source of this name (its `setup.py`,
/// `datahub.ingestion.source.plugins`), or a variant of one, for example `snowflake-usage`.
pub(super) fn is_python_connector(source_type: &str) -> bool {
    let stem = source_type.split_once(['-', '_']).map_or(source_type, |(stem, _)| stem);
    PYTHON_CONNECTORS.contains(&source_type) || PYTHON_CONNECTORS.contains(&stem)
}

const PYTHON_CONNECTORS: [&str; 92] = [
    "abs",
    "airbyte",
    "airflow",
    "athena",
    "azure-ad",
    "azure-data-factory",
    "bigquery",
    "bigquery-queries",
    "business-glossary",
    "cassandra",
    "clickhouse",
    "clickhouse-usage",
    "cockroachdb",
    "confluence",
    "csv-enricher",
    "databricks",
    "datahub",
    "datahub-apply",
    "datahub-business-glossary",
    "datahub-debug",
    "datahub-gc",
    "datahub-lineage-file",
    "datahub-mock-data",
    "dataplex",
    "db2",
    "dbt",
    "dbt-cloud",
    "delta-lake",
    "demo-data",
    "doris",
    "dremio",
    "druid",
    "dynamodb",
    "elasticsearch",
    "excel",
    "fabric-onelake",
    "feast",
    "fivetran",
    "flink",
    "gcs",
    "glue",
    "grafana",
    "hana",
    "hex",
    "hive",
    "hive-metastore",
    "iceberg",
    "json-schema",
    "kafka",
    "kafka-connect",
    "kinesis",
    "ldap",
    "looker",
    "lookml",
    "mariadb",
    "matillion-dpc",
    "metabase",
    "mlflow",
    "mode",
    "mongodb",
    "mssql",
    "mysql",
    "neo4j",
    "nifi",
    "notion",
    "odcs",
    "okta",
    "openapi",
    "oracle",
    "pinot",
    "postgres",
    "powerbi",
    "powerbi-report-server",
    "preset",
    "presto",
    "pulsar",
    "qlik-sense",
    "rdf",
    "redash",
    "redshift",
    "s3",
    "sac",
    "sagemaker",
    "salesforce",
    "sigma",
    "slack",
    "snowflake",
    "sql-queries",
    "superset",
    "tableau",
    "trino",
    "unity-catalog",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connector_of_the_python_client_is_named_with_the_bridge() {
        for name in ["snowflake", "bigquery", "snowflake-usage", "unity-catalog", "kafka-connect"] {
            let message = advice(name).unwrap();
            assert!(message.contains(&format!("`{name}` exists in DataHub's Python client")), "{message}");
            assert!(message.contains("type: file"), "{message}");
        }
        assert_eq!(advice("file"), None);
        assert_eq!(advice("no-such-thing"), None);
    }
}
