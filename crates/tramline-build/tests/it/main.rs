//! What the generator makes of schemas: its text, its errors, its plugin.

mod compilers;
mod errors;
mod plugin;
mod settings;
mod support;
