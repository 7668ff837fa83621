//! Emits metadata change proposals to DataHub's metadata service (GMS), and runs ingestion recipes.

pub mod metadata;
