//! Heads that a client sends again and again: each call has its own of what they say.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tramline::client::ChannelBuilder;
use tramline::codec::Raw;
use tramline::server::ServerBuilder;
use tramline::{CallContext, Channel, Method, Request, Response, Server, Status};

use crate::raw_client::{RawClient, envelope};

const FIRST: Method<Bytes, Bytes, Raw> = Method::unary("/test.Repeated/First", Raw);
const SECOND: Method<Bytes, Bytes, Raw> = Method::unary("/test.Repeated/Second", Raw);

type Head = (&'static str, &'static [(&'static str, &'static str)]);

/// Methods and fields. Some differ in a value alone, some in their fields: those are told apart
/// by how they are written.
const HEADS: [Head; 7] = [
    ("/test.Repeated/First", &[("x-in", "a")]),
    ("/test.Repeated/First", &[("x-in", "b")]),
    ("/test.Repeated/First", &[]),
    ("/test.Repeated/First", &[("x-more", "1"), ("x-in", "c")]),
    ("/test.Repeated/First", &[("x-in", "d"), ("x-in", "e")]),
    ("/test.Repeated/Second", &[("x-in", "a")]),
    ("/test.Repeated/Second", &[]),
];

type Kept = Arc<Mutex<Vec<CallContext>>>;

/// Answers with what came, and leaves traces in everything that it was given.
async fn answer(kept: Kept, name: &str, mut request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
    let values: Vec<&str> = request.metadata().get_all("x-in").collect();
    let deadline = request.context().and_then(|context| context.remaining()).is_some();
    let text = format!("{name} {values:?} {deadline}");
    let context = request.context().unwrap().clone();
    assert_eq!(context.method().path().method().to_lowercase(), name);
    request.metadata_mut().append("x-in", "left behind").unwrap();
    if request.get_ref().starts_with(b"head") {
        context.with_initial_metadata(|head| head.append("x-head", name)).unwrap();
    }
    if request.get_ref().starts_with(b"keep") {
        kept.lock().unwrap().push(context);
    }
    if request.get_ref().ends_with(b"later") {
        tokio::task::yield_now().await;
    }
    if request.get_ref().as_ref() == b"afterwards" {
        let (own, kept) = (request.context().unwrap().clone(), Kept::clone(&kept));
        // Not before the call is over, which a task on the same thread cannot be.
        tokio::spawn(async move {
            own.with_initial_metadata(|head| head.append("x-head", "afterwards")).unwrap();
            kept.lock().unwrap().clear();
        });
    }
    Ok(Response::new(text.into()))
}

fn server(kept: &Kept) -> ServerBuilder {
    let kept = Arc::clone(kept);
    Server::builder().add_routes(move |routes| {
        routes.unary(FIRST, Arc::clone(&kept), |kept, request| answer(Kept::clone(&kept), "first", request));
        routes.unary(SECOND, kept, |kept, request| answer(Kept::clone(&kept), "second", request));
    })
}

fn start(kept: &Kept) -> Channel {
    let (connector, listener) = tramline::in_process();
    server(kept).listen(listener).unwrap().start().unwrap();
    ChannelBuilder::in_process(&connector).build().unwrap()
}

#[tokio::test]
async fn metadata_of_a_repeated_head_reaches_every_call_and_none_changes_anothers() {
    let kept = Kept::default();
    let channel = start(&kept);
    for value in ["a", "a", "a", "a", "b", "b", "b", "a", "b", "a", "a", "a"] {
        for message in ["", "later", "keep"] {
            let call = channel.unary(&FIRST, Bytes::from(message)).metadata("x-in", value);
            assert_eq!(call.await.unwrap().into_inner(), format!("first [{value:?}] false"));
        }
    }
    assert!(kept.lock().unwrap().iter().all(|context| context.cancel_reason().is_none()));
}

#[tokio::test]
async fn calls_by_turns_have_their_own_methods_and_deadlines() {
    let channel = start(&Kept::default());
    for _ in 0..4 {
        for (method, name, timeout) in [(&FIRST, "first", true), (&SECOND, "second", false), (&SECOND, "second", false)]
        {
            let mut call = channel.unary(method, Bytes::new());
            if timeout {
                call = call.timeout(Duration::from_secs(60));
            }
            assert_eq!(call.await.unwrap().into_inner(), format!("{name} [] {timeout}"));
        }
    }
}

#[tokio::test]
async fn initial_metadata_of_a_context_stays_with_its_call() {
    let channel = start(&Kept::default());
    for message in ["", "head", "", "head later", "", "", "head", ""] {
        let response = channel.unary(&FIRST, Bytes::from(message)).await.unwrap();
        let expected = message.starts_with("head").then_some("first");
        assert_eq!(response.metadata().get("x-head"), expected, "{message:?}");
    }
}

#[tokio::test]
async fn calls_at_the_same_time_share_a_repeated_head() {
    let channel = start(&Kept::default());
    for round in 0..6 {
        let calls: Vec<_> = (0..20)
            .map(|_| {
                let call = channel.unary(&FIRST, Bytes::from("later")).metadata("x-in", "same");
                tokio::spawn(async move { call.await.unwrap().into_inner() })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap(), "first [\"same\"] false", "round {round}");
        }
    }
}

/// What somebody does with a context when its call is over is nothing to the next one, which may
/// have its memory.
#[tokio::test]
async fn a_context_that_was_kept_is_not_another_calls_when_it_is_given_up() {
    let channel = start(&Kept::default());
    for _ in 0..3 {
        let response = channel.unary(&FIRST, Bytes::from("afterwards")).await.unwrap();
        assert_eq!(response.metadata().get("x-head"), None);
        tokio::time::sleep(Duration::from_millis(1)).await;
        let response = channel.unary(&FIRST, Bytes::new()).await.unwrap();
        assert_eq!(response.metadata().get("x-head"), None);
    }
}

/// Heads come in any order before the messages of their calls do, as some clients send them: all
/// heads of a burst first.
#[tokio::test]
async fn each_call_keeps_its_own_head_whatever_heads_come_before_its_message() {
    let bound = server(&Kept::default()).bind("127.0.0.1:0").unwrap();
    let address = bound.local_addr().unwrap();
    let _running = bound.start().unwrap();
    let mut client = RawClient::connect(address).await;
    for seed in 0..400u64 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut calls = Vec::new();
        for _ in 0..random.usize(1..12) {
            // Runs of one head, so that it is known; and others in between.
            let (path, fields) = *random.choice(&HEADS).unwrap();
            for _ in 0..random.usize(1..6) {
                calls.push((client.open(path, fields, false), path, fields));
            }
        }
        match random.u8(0..3) {
            0 => random.shuffle(&mut calls),
            1 => calls.reverse(),
            _ => {}
        }
        for (stream, ..) in &calls {
            let message = *random.choice(&["", "", "", "", "", "later", "keep"]).unwrap();
            client.send(*stream, &envelope(message.as_bytes()), true);
        }
        for (stream, path, fields) in calls {
            client.flush().await;
            let answer = client.answer(stream).await;
            let name = path.rsplit('/').next().unwrap().to_lowercase();
            let values: Vec<_> = fields.iter().filter(|(name, _)| *name == "x-in").map(|(_, value)| value).collect();
            let expected = format!("{name} {values:?} false");
            assert_eq!(answer.messages(), [expected.as_bytes()], "seed {seed}");
        }
    }
}

#[tokio::test]
async fn a_kept_context_keeps_its_deadline() {
    let kept = Kept::default();
    let channel = start(&kept);
    for seconds in [1000, 2000, 3000, 4000] {
        for message in ["", "keep", "", "later"] {
            let timeout = Duration::from_secs(seconds + message.len() as u64 * 100);
            channel.unary(&FIRST, Bytes::from(message)).timeout(timeout).await.unwrap();
        }
    }
    let remaining =
        kept.lock().unwrap().iter().map(|context| context.remaining().unwrap().as_secs()).collect::<Vec<_>>();
    assert_eq!(remaining.len(), 4);
    assert!(
        remaining.iter().zip([1400, 2400, 3400, 4400]).all(|(left, at)| (at - 100..at).contains(left)),
        "{remaining:?}"
    );
}
