//! Does anything get lost, or counted as delivered, when a server or an input is hostile or broken?

mod answers;
#[cfg(target_os = "linux")]
mod embedded_gms;
#[cfg(target_os = "linux")]
mod files;
mod inputs;
