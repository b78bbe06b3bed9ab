//! `tram call`: a call of any kind, by its descriptor.

use bytes::Bytes;
use tramline::client::Requests;
use tramline::codec::Raw;
use tramline::{Channel, Metadata, Method, Streaming};

use super::input::{Data, Input};
use super::report::Reporter;
use super::{Session, address, missing};
use crate::dynamic::{self, MethodName, Schema};
use crate::failure::Failure;
use crate::flags::{Command, Options};

/// A method without a schema of its own: octets both ways.
type RawMethod = Method<Bytes, Bytes, Raw>;

pub(super) async fn run(options: &Options, operands: &[String]) -> Result<(), Failure> {
    let (address, rest) = address(Command::Call, operands)?;
    let Some((name, data)) = rest.split_first() else {
        return Err(missing(Command::Call, "the name of a method").into());
    };
    let name = MethodName::parse(name);
    let data = Data::read(&[options.data.as_slice(), data].concat())?;
    let mut session = Session::open(options, &address).await?;
    let schema = session.source.of_method(&name).await?;
    let schema = session.source.with_types(&schema, &data.named_types()).await;
    let method = schema.find_method(&name)?;
    let input = input(&schema, method, &data).await?;
    let raw = RawMethod::dynamic(method.path(), method.kind(), Raw)
        .map_err(|_| Failure::new(format!("{} cannot be the path of a method", method.path())))?;
    let reporter = Reporter::new(options, schema.clone(), method.method.output());
    reporter.call(&method, &address.target, &session.metadata);
    let (requests, replies) = start(options, &session.channel, &raw, &session.metadata);
    exchange(requests, replies, input, reporter, &mut session).await
}

/// What is to be sent. Where the method takes one message, all the data is read before
/// the call begins, to see that it is one.
async fn input(schema: &Schema, method: dynamic::Method<'_>, data: &Data) -> Result<Input, Failure> {
    let mut input = Input::open(schema, method.method.input(), data)?;
    if method.kind().takes_one_message() {
        match input.read_all().await? {
            0 => input.push_empty(),
            1 => {}
            _ => return Err(takes_one(&method.full_name())),
        }
    }
    Ok(input)
}

fn takes_one(name: &str) -> Failure {
    Failure::with_hint(format!("{name} takes one message, and there are several"), "call it once for each")
}

/// Every kind of call is a stream both ways; its kind says how many messages that are.
fn start(
    options: &Options,
    channel: &Channel,
    method: &RawMethod,
    metadata: &Metadata,
) -> (Requests<Bytes>, Streaming<Bytes>) {
    let mut call = channel.bidi_streaming(method);
    if let Some(timeout) = options.timeout {
        call = call.timeout(timeout);
    }
    for (key, value) in metadata.iter() {
        call = match value.to_bytes() {
            Some(octets) if value.is_binary() => call.metadata_bin(key, &octets),
            _ => call.metadata(key, value.as_str().unwrap_or_default()),
        };
    }
    call.start()
}

/// Sends and receives at once, until the server has ended the call.
async fn exchange(
    requests: Requests<Bytes>,
    replies: Streaming<Bytes>,
    mut input: Input,
    mut reporter: Reporter,
    session: &mut Session,
) -> Result<(), Failure> {
    let sending = send(requests, &mut input);
    let receiving = receive(replies, &mut reporter, session);
    tokio::pin!(sending, receiving);
    let mut is_sending = true;
    loop {
        tokio::select! {
            sent = &mut sending, if is_sending => {
                is_sending = false;
                sent?;
            }
            received = &mut receiving => return received,
        }
    }
}

async fn send(requests: Requests<Bytes>, input: &mut Input) -> Result<(), Failure> {
    while let Some(message) = input.next().await? {
        let octets = message.try_encode_to_vec().map_err(|error| Failure::new(error.to_string()))?;
        // The server may end the call before it has heard all; how, the replies say.
        if requests.send(octets.into()).await.is_err() {
            break;
        }
    }
    requests.finish();
    Ok(())
}

async fn receive(mut replies: Streaming<Bytes>, reporter: &mut Reporter, session: &mut Session) -> Result<(), Failure> {
    match replies.metadata().await {
        Ok(metadata) => reporter.metadata(&metadata),
        Err(status) => return Err(reporter.failed(&status, session).await),
    }
    loop {
        match replies.message().await {
            Ok(Some(octets)) => reporter.message(&octets, session).await?,
            Ok(None) => {
                reporter.ended(replies.trailers());
                return Ok(());
            }
            Err(status) => return Err(reporter.failed(&status, session).await),
        }
    }
}
