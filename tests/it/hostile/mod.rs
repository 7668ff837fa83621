//! Does anything get lost, or counted as delivered, when a server or an input is hostile or broken?

mod answers;
mod inputs;
