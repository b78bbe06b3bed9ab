//! What a call shows: messages on standard output, everything else on standard error.

use buffa_descriptor::{DynamicMessage, MessageIndex, Value};
use bytes::Bytes;
use tramline::{Metadata, Status};

use super::Session;
use crate::dynamic::{self, Format, Schema, Shape};
use crate::failure::{Failure, one_line};
use crate::flags::Options;
use crate::{diagnosis, output, text_format};

pub(super) struct Reporter {
    schema: Schema,
    index: MessageIndex,
    shape: Shape,
    is_verbose: bool,
    message_count: usize,
}

impl Reporter {
    pub(super) fn new(options: &Options, schema: Schema, index: MessageIndex) -> Self {
        let shape = Shape { format: options.output.unwrap_or(Format::Json), is_compact: options.is_compact };
        Reporter { schema, index, shape, is_verbose: options.is_verbose, message_count: 0 }
    }

    /// What is called, and the metadata that is sent.
    pub(super) fn call(&self, method: &dynamic::Method<'_>, target: &str, metadata: &Metadata) {
        if self.is_verbose {
            eprintln!("* {}, {}, at {target}", method.full_name(), method.kind_name());
            print_metadata('>', metadata);
        }
    }

    /// The initial metadata of the response.
    pub(super) fn metadata(&self, metadata: &Metadata) {
        if self.is_verbose {
            print_metadata('<', metadata);
        }
    }

    pub(super) async fn message(&mut self, octets: &Bytes, session: &mut Session) -> Result<(), Failure> {
        let text = self.text(octets, session).await?;
        let is_next = self.message_count > 0;
        self.message_count += 1;
        let separator = if is_next && self.shape.format == Format::Text { "---\n" } else { "" };
        output::print(&format!("{separator}{text}"))
    }

    /// The message as it is shown. Types that only an Any names are asked for.
    async fn text(&mut self, octets: &[u8], session: &mut Session) -> Result<String, Failure> {
        let mut message = self.decode(octets)?;
        let unresolved = dynamic::unresolved_types(&message);
        if !unresolved.is_empty() {
            self.schema = session.source.with_types(&self.schema, &unresolved).await;
            self.index = self.schema.pool().message_index(&self.message_name(&message)).unwrap_or(self.index);
            message = self.decode(octets)?;
        }
        dynamic::write(&message, self.shape).or_else(|cause| {
            eprintln!("note: JSON cannot show this message ({cause}); this is text format");
            Ok(text_format::write(&message))
        })
    }

    fn message_name(&self, message: &DynamicMessage) -> String {
        message.pool().message(message.message_index()).full_name().to_owned()
    }

    fn decode(&self, octets: &[u8]) -> Result<DynamicMessage, Failure> {
        DynamicMessage::decode(self.schema.pool().clone(), self.index, octets).map_err(|error| {
            let name = self.schema.message_name(self.index);
            Failure::with_hint(
                format!("the server's reply is no {name}: {error}"),
                "the schema may be another than the server's",
            )
        })
    }

    /// The call ended OK.
    pub(super) fn ended(&self, trailers: Option<&Metadata>) {
        if self.is_verbose {
            trailers.into_iter().for_each(|trailers| print_metadata('<', trailers));
            eprintln!("* OK");
        }
    }

    /// The call failed: its status with all details.
    pub(super) async fn failed(&self, status: &Status, session: &mut Session) -> Failure {
        if self.is_verbose {
            print_metadata('<', status.metadata());
        }
        let by = if status.is_remote() { "" } else { " (said by this side, not by the server)" };
        eprintln!("error: the call ended with {}{by}", one_line(status));
        for detail in self.details(status, session).await {
            eprint!("{detail}");
        }
        if let Some(hint) = diagnosis::hint(status) {
            eprintln!("  = {hint}");
        }
        Failure::Call(status.code())
    }

    /// The rich details in text format, indented.
    async fn details(&self, status: &Status, session: &mut Session) -> Vec<String> {
        if status.details().is_empty() {
            return Vec::new();
        }
        let Some(index) = self.schema.pool().message_index("google.rpc.Status") else { return Vec::new() };
        let decode = |schema: &Schema, index| DynamicMessage::decode(schema.pool().clone(), index, status.details());
        let Ok(mut details) = decode(&self.schema, index) else { return Vec::new() };
        let unresolved = dynamic::unresolved_types(&details);
        if !unresolved.is_empty() {
            let schema = session.source.with_types(&self.schema, &unresolved).await;
            if let Some(index) = schema.pool().message_index("google.rpc.Status")
                && let Ok(resolved) = decode(&schema, index)
            {
                details = resolved;
            }
        }
        shown(&details)
    }
}

/// Field 3 of `google.rpc.Status`, one Any for each detail.
fn shown(details: &DynamicMessage) -> Vec<String> {
    let Some(Value::List(details)) = details.field_by_number(3) else { return Vec::new() };
    let messages = details.iter().filter_map(|detail| match detail {
        Value::Message(message) => Some(text_format::write(message)),
        _ => None,
    });
    messages.map(|text| text.lines().map(|line| format!("  {line}\n")).collect()).collect()
}

fn print_metadata(direction: char, metadata: &Metadata) {
    for (key, value) in metadata.iter() {
        let value = output::visible(&String::from_utf8_lossy(value.as_wire()));
        eprintln!("{direction} {key}: {value}");
    }
}
