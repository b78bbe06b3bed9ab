//! The messages to send: from the command line, from files, from standard input.

use std::collections::VecDeque;
use std::io::Read;

use buffa_descriptor::{DynamicMessage, MessageIndex};
use tokio::sync::mpsc;

use crate::dynamic::{self, Schema, Splitter};
use crate::failure::Failure;

/// How much of standard input is read at once.
const CHUNK_LEN: usize = 64 * 1024;

/// What errors call standard input.
const STDIN: &str = "standard input";

/// Chunks of standard input that wait to be sent.
const CHUNKS_MAX: usize = 4;

/// The messages of a call, in order.
pub(super) struct Input {
    schema: Schema,
    index: MessageIndex,
    ready: VecDeque<DynamicMessage>,
    stdin: Option<Stdin>,
}

/// Standard input, read by a thread of its own: nothing else can be waited for while a
/// terminal is read.
struct Stdin {
    chunks: mpsc::Receiver<std::io::Result<Vec<u8>>>,
    splitter: Splitter,
    /// Octets of a character that is not whole yet.
    partial: Vec<u8>,
    is_over: bool,
}

/// Data that is at hand, as text, and whether standard input follows.
pub(super) struct Data {
    /// Each with what errors call it.
    texts: Vec<(String, String)>,
    has_stdin: bool,
}

impl Data {
    /// Reads operands, and the files that they name.
    pub(super) fn read(operands: &[String]) -> Result<Data, Failure> {
        let mut data = Data { texts: Vec::new(), has_stdin: false };
        for operand in operands {
            match operand.as_str() {
                "-" | "@" | "@-" if data.has_stdin => {
                    return Err(Failure::new("standard input can be read once only"));
                }
                "-" | "@" | "@-" => data.has_stdin = true,
                _ if data.has_stdin => {
                    return Err(Failure::new("standard input comes last: what follows it would never be sent"));
                }
                _ => data.texts.push(text_of(operand)?),
            }
        }
        Ok(data)
    }

    /// The types that it may hold in Anys.
    pub(super) fn named_types(&self) -> Vec<String> {
        self.texts.iter().flat_map(|(text, _)| dynamic::named_types(text)).collect()
    }
}

fn text_of(operand: &str) -> Result<(String, String), Failure> {
    let Some(path) = operand.strip_prefix('@') else { return Ok((operand.to_owned(), "data".to_owned())) };
    let text =
        std::fs::read_to_string(path).map_err(|error| Failure::new(format!("{path} cannot be read: {error}")))?;
    Ok((text, path.to_owned()))
}

impl Input {
    /// A mistake in what is at hand is found before the call begins.
    pub(super) fn open(schema: &Schema, index: MessageIndex, data: &Data) -> Result<Input, Failure> {
        let mut input = Input { schema: schema.clone(), index, ready: VecDeque::new(), stdin: None };
        for (text, origin) in &data.texts {
            input.parse(text, origin)?;
        }
        input.stdin = data.has_stdin.then(Stdin::open);
        Ok(input)
    }

    fn parse(&mut self, text: &str, origin: &str) -> Result<(), Failure> {
        let messages =
            dynamic::read(&self.schema, self.index, text).map_err(|error| Failure::new(error.report(origin, text)))?;
        self.ready.extend(messages);
        Ok(())
    }

    /// Reads standard input to its end, and says how many messages there are.
    pub(super) async fn read_all(&mut self) -> Result<usize, Failure> {
        while let Some(stdin) = &mut self.stdin {
            match stdin.next_text().await? {
                Some(text) => self.parse(&text, STDIN)?,
                None => self.stdin = None,
            }
        }
        Ok(self.ready.len())
    }

    /// The one empty message that stands for no data.
    pub(super) fn push_empty(&mut self) {
        self.ready.push_back(DynamicMessage::new(self.schema.pool().clone(), self.index));
    }

    /// The next message, as soon as it is whole.
    pub(super) async fn next(&mut self) -> Result<Option<DynamicMessage>, Failure> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(Some(message));
            }
            let Some(stdin) = &mut self.stdin else { return Ok(None) };
            match stdin.next_text().await? {
                Some(text) => self.parse(&text, STDIN)?,
                None => return Ok(None),
            }
        }
    }
}

impl Stdin {
    fn open() -> Stdin {
        let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
        std::thread::spawn(move || read_chunks(&sender));
        Stdin { chunks, splitter: Splitter::default(), partial: Vec::new(), is_over: false }
    }

    async fn next_text(&mut self) -> Result<Option<String>, Failure> {
        loop {
            if let Some(text) = self.splitter.next_message() {
                return Ok(Some(text));
            }
            if self.is_over {
                return Ok(None);
            }
            match self.chunks.recv().await {
                Some(chunk) => self.push(chunk.map_err(unreadable)?)?,
                None => {
                    self.is_over = true;
                    let rest = std::mem::take(&mut self.splitter);
                    return if self.partial.is_empty() { Ok(rest.finish()) } else { Err(not_utf8()) };
                }
            }
        }
    }

    fn push(&mut self, chunk: Vec<u8>) -> Result<(), Failure> {
        self.partial.extend(chunk);
        let whole = match std::str::from_utf8(&self.partial) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Err(not_utf8()),
        };
        let rest = self.partial.split_off(whole);
        let text = std::mem::replace(&mut self.partial, rest);
        self.splitter.push(&String::from_utf8_lossy(&text));
        Ok(())
    }
}

fn read_chunks(sender: &mpsc::Sender<std::io::Result<Vec<u8>>>) {
    let mut stdin = std::io::stdin().lock();
    loop {
        let mut chunk = vec![0; CHUNK_LEN];
        let read = stdin.read(&mut chunk).map(|len| {
            chunk.truncate(len);
            chunk
        });
        let is_last = !matches!(&read, Ok(chunk) if !chunk.is_empty());
        let is_end = matches!(&read, Ok(chunk) if chunk.is_empty());
        if is_end || sender.blocking_send(read).is_err() || is_last {
            return;
        }
    }
}

fn unreadable(error: std::io::Error) -> Failure {
    Failure::new(format!("standard input cannot be read: {error}"))
}

fn not_utf8() -> Failure {
    Failure::with_hint("standard input is not UTF-8", "messages are JSON or text format; bytes fields are escaped")
}
