//! The `datahub-emit` command: runs ingestion recipes, and talks to DataHub's metadata service.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
