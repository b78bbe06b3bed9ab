//! One connection: frame headers in, canned octets out.

use std::io::{ErrorKind, Read, Write};

use mio::event::Event;
use mio::net::TcpStream;

use crate::canned::{DATA, END_STREAM, HEAD_LEN, HEADERS, Reply, Table, put_frames, put_head};

const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
const WINDOW_UPDATE: u8 = 0x8;
const ACK: u8 = 0x1;
const PREFACE_LEN: usize = 24;
const WINDOW_LEN_MAX: u32 = (1 << 31) - 1;
const WINDOW_LEN_DEFAULT: u32 = 65_535;
/// Unsent octets above which nothing more is read.
const OUTPUT_LEN_MAX: usize = 1024 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Open,
    Closed,
}

pub(crate) struct Connection {
    socket: TcpStream,
    /// The front of a frame whose rest has not come.
    carry: Vec<u8>,
    output: Vec<u8>,
    sent_len: usize,
    preface_left: usize,
    table: Table,
    consumed_len: u32,
    is_readable: bool,
}

impl Connection {
    pub(crate) fn new(socket: TcpStream) -> Self {
        let mut output = Vec::new();
        put_head(&mut output, 6, SETTINGS, 0, 0);
        output.extend_from_slice(&[0, 4]);
        output.extend_from_slice(&WINDOW_LEN_MAX.to_be_bytes());
        put_window_update(&mut output, WINDOW_LEN_MAX - WINDOW_LEN_DEFAULT);
        Connection {
            socket,
            carry: Vec::new(),
            output,
            sent_len: 0,
            preface_left: PREFACE_LEN,
            table: Table::default(),
            consumed_len: 0,
            is_readable: false,
        }
    }

    pub(crate) fn handle_ready(&mut self, event: &Event, reply: &Reply, buffer: &mut [u8]) -> Outcome {
        self.is_readable |= event.is_readable();
        loop {
            if !self.flush() {
                return Outcome::Closed;
            }
            if !self.is_readable || self.output.len() - self.sent_len > OUTPUT_LEN_MAX {
                return Outcome::Open;
            }
            match self.socket.read(buffer) {
                Ok(0) => return Outcome::Closed,
                Ok(len) => {
                    // A short read has emptied the socket: what comes next is a new event.
                    self.is_readable = len == buffer.len();
                    self.handle_octets(&buffer[..len], reply);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Outcome::Closed,
            }
        }
    }

    fn handle_octets(&mut self, octets: &[u8], reply: &Reply) {
        if self.carry.is_empty() {
            let rest = self.handle_input(octets, reply);
            self.carry.extend_from_slice(rest);
            return;
        }
        let mut carry = std::mem::take(&mut self.carry);
        carry.extend_from_slice(octets);
        let rest_len = self.handle_input(&carry, reply).len();
        carry.drain(..carry.len() - rest_len);
        self.carry = carry;
    }

    /// Takes every whole frame and returns what is left.
    fn handle_input<'i>(&mut self, mut input: &'i [u8], reply: &Reply) -> &'i [u8] {
        let skipped = self.preface_left.min(input.len());
        self.preface_left -= skipped;
        input = &input[skipped..];
        while let Some((head, rest)) = input.split_at_checked(HEAD_LEN) {
            let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let Some((payload, rest)) = rest.split_at_checked(len) else { break };
            let stream_id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            self.handle_frame(head[3], head[4], stream_id, payload, reply);
            input = rest;
        }
        self.grant_window();
        input
    }

    fn handle_frame(&mut self, kind: u8, flags: u8, stream_id: u32, payload: &[u8], reply: &Reply) {
        match kind {
            SETTINGS if flags & ACK == 0 => put_head(&mut self.output, 0, SETTINGS, ACK, 0),
            PING if flags & ACK == 0 => {
                put_head(&mut self.output, payload.len(), PING, ACK, 0);
                self.output.extend_from_slice(payload);
            }
            HEADERS if matches!(reply, Reply::Echo) => self.table.put_head(&mut self.output, stream_id),
            DATA => {
                self.consumed_len += payload.len() as u32;
                if matches!(reply, Reply::Echo) && !payload.is_empty() {
                    put_head(&mut self.output, payload.len(), DATA, 0, stream_id);
                    self.output.extend_from_slice(payload);
                }
            }
            _ => {}
        }
        if matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
            self.end(stream_id, reply);
        }
    }

    fn end(&mut self, stream_id: u32, reply: &Reply) {
        if let Reply::Fixed(frames) = reply {
            self.table.put_head(&mut self.output, stream_id);
            put_frames(&mut self.output, frames, stream_id);
        }
        self.table.put_trailers(&mut self.output, stream_id);
    }

    /// Gives the connection's window back, a gibibyte at a time.
    fn grant_window(&mut self) {
        if self.consumed_len > WINDOW_LEN_MAX / 2 {
            put_window_update(&mut self.output, self.consumed_len);
            self.consumed_len = 0;
        }
    }

    /// Writes what the socket takes. False if the connection is gone.
    fn flush(&mut self) -> bool {
        while self.sent_len < self.output.len() {
            match self.socket.write(&self.output[self.sent_len..]) {
                Ok(0) => return false,
                Ok(len) => self.sent_len += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        self.output.clear();
        self.sent_len = 0;
        true
    }
}

fn put_window_update(out: &mut Vec<u8>, increment: u32) {
    put_head(out, 4, WINDOW_UPDATE, 0, 0);
    out.extend_from_slice(&increment.to_be_bytes());
}
