//! What the generator makes of schemas: its text, its errors, its plugin.

mod checked_in;
mod generated;
mod support;
