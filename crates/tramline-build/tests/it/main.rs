//! What the generator makes of schemas: its text, its errors, its plugin.

mod generated;
mod support;
