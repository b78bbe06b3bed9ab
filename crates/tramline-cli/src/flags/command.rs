//! The commands.

/// What `tram` can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Command {
    Demo,
    Call,
    Ls,
    Describe,
}

impl Command {
    /// In the order of the help.
    pub(crate) const ALL: [Command; 4] = [Command::Demo, Command::Call, Command::Ls, Command::Describe];

    /// The commands that talk to a server.
    pub(crate) const CLIENTS: &[Command] = &[Command::Call, Command::Ls, Command::Describe];

    pub(crate) fn from_name(name: &str) -> Option<Command> {
        match name {
            "list" => Some(Command::Ls),
            "desc" => Some(Command::Describe),
            _ => Command::ALL.into_iter().find(|command| command.name() == name),
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Command::Demo => "demo",
            Command::Call => "call",
            Command::Ls => "ls",
            Command::Describe => "describe",
        }
    }

    pub(crate) const fn summary(self) -> &'static str {
        match self {
            Command::Demo => "start a demo server, call it once, keep serving",
            Command::Call => "call a method",
            Command::Ls => "list services and methods",
            Command::Describe => "show the definition of a service, method, message or enum",
        }
    }

    pub(crate) const fn usage(self) -> &'static str {
        match self {
            Command::Demo => "tram demo [FLAGS]",
            Command::Call => "tram call [FLAGS] ADDRESS METHOD [DATA…]",
            Command::Ls => "tram ls [FLAGS] ADDRESS [SERVICE | METHOD]",
            Command::Describe => "tram describe [FLAGS] ADDRESS SYMBOL…",
        }
    }

    /// The part of the long help before the flags.
    pub(crate) const fn description(self) -> &'static str {
        match self {
            Command::Demo => DEMO,
            Command::Call => CALL,
            Command::Ls => LS,
            Command::Describe => DESCRIBE,
        }
    }
}

const DEMO: &str = "\
Serves greeter.Greeter (unary) and greeter.Chat (one method of each kind of streaming)
with reflection and health on one port, calls SayHello once through a real socket,
prints the answer, and serves until it is interrupted.

Examples:
  tram demo
  tram demo --addr 127.0.0.1:0
  tram demo --once";

const CALL: &str = "\
The server describes its methods itself, by gRPC reflection; without it, give the
schema by --proto or --protoset.

ADDRESS is host:port, http://host:port, https://host:port or unix:/path.
METHOD is Method, Service/Method or package.Service/Method.
DATA is one message or several, as JSON or as protobuf text format: tram looks at the
data to see which. `-` reads it from standard input, each message sent as soon as it
is whole; `@FILE` reads a file. Without DATA, one empty message is sent (or none, if
the method takes a stream). Text messages are separated by a line `---`, or stand in
braces.

Examples:
  tram call localhost:50051 SayHello \"name: 'Alice'\"
  tram call localhost:50051 greeter.Greeter/SayHello '{\"name\": \"Alice\"}'
  tram call localhost:50051 BidirectionalChat \"{text: 'one'} {text: 'two'}\"
  tram call localhost:50051 Chat/UploadFile @chunks.json
  tram call https://example.com pkg.Service/Method -H 'authorization: Bearer …' -

Exit status:
  0       the call ended OK
  2       the command line is wrong
  64 + n  the call ended with gRPC status n (69 is NOT_FOUND, 78 is UNAVAILABLE)
  130     Ctrl-C; the call has been cancelled, and the server has been told
  1       anything else: no connection, no schema, data that does not fit";

const LS: &str = "\
Without a name, lists the services that the server says it has. With one, lists the
methods of that service, or shows that method. Names may be short: Greeter, SayHello.

The server describes itself by gRPC reflection; without it, give the schema by --proto
or --protoset.

Examples:
  tram ls localhost:50051
  tram ls -l localhost:50051
  tram ls localhost:50051 greeter.Greeter
  tram ls -l localhost:50051 SayHello";

const DESCRIBE: &str = "\
SYMBOL is the name of a service, method, message, enum or field, whole or its end.

The server describes itself by gRPC reflection; without it, give the schema by --proto
or --protoset.

Examples:
  tram describe localhost:50051 greeter.Greeter
  tram describe localhost:50051 HelloRequest Chat/UploadFile
  tram describe localhost:50051 google.protobuf.Timestamp";
