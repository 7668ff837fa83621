//! Checks the fields of aspects against DataHub's model (`--check-fields on`).
//!
//! The table is generated from the Python package by `model/generate.py`. Messages are those of the validator
//! that GMS runs on each aspect (`ValidateDataAgainstSchema`), with all problems of an aspect at once.

mod check;
mod table;

pub(super) use check::check;
