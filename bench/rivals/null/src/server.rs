//! The null responder: the floor under every gRPC server on this machine.
//!
//! It looks at frame headers only, decodes nothing, obeys no flow control and answers canned
//! octets, as many of them in one write as one read asked for. What it costs is what the
//! kernel costs.

mod canned;
mod connection;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::TcpListener;

use canned::Reply;
use connection::{Connection, Outcome};
use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use rig::{ServerOptions, listen};

const LISTENER: Token = Token(0);
const READ_LEN: usize = 64 * 1024;

struct Worker {
    poll: Poll,
    listener: mio::net::TcpListener,
    connections: HashMap<Token, Connection>,
    next_token: usize,
    buffer: Vec<u8>,
}

impl Worker {
    fn new(listener: TcpListener) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = mio::net::TcpListener::from_std(listener);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Worker { poll, listener, connections: HashMap::new(), next_token: 1, buffer: vec![0; READ_LEN] })
    }

    fn run(mut self, reply: &Reply) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, None) {
                // A tracer that attaches or leaves interrupts the wait.
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                outcome => outcome?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    token => self.handle_ready(token, event, reply),
                }
            }
        }
    }

    fn accept(&mut self) -> anyhow::Result<()> {
        while let Ok((mut socket, _)) = self.listener.accept() {
            socket.set_nodelay(true)?;
            let token = Token(self.next_token);
            self.next_token += 1;
            self.poll.registry().register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
            self.connections.insert(token, Connection::new(socket));
        }
        Ok(())
    }

    fn handle_ready(&mut self, token: Token, event: &Event, reply: &Reply) {
        let Some(connection) = self.connections.get_mut(&token) else { return };
        if connection.handle_ready(event, reply, &mut self.buffer) == Outcome::Closed {
            self.connections.remove(&token);
        }
    }
}

fn main() -> anyhow::Result<()> {
    let options = ServerOptions::from_args()?;
    let reply = Reply::from_mode(&options.mode)?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads)
            .map(|_| scope.spawn(|| Worker::new(listen::listen_shared(options.addr)?)?.run(&reply)))
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a serving thread panicked"))
    })
}
