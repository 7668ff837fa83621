//! The module as components and users meet it: recipes in, diagnostics out.

mod agreement;
mod broken;
mod leaks;
mod places;
