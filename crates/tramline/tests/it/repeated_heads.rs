//! Heads that a client sends again and again: each call has its own of what they say.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tramline::client::ChannelBuilder;
use tramline::codec::Raw;
use tramline::{CallContext, Channel, Method, Request, Response, Server, Status};

const FIRST: Method<Bytes, Bytes, Raw> = Method::unary("/test.Repeated/First", Raw);
const SECOND: Method<Bytes, Bytes, Raw> = Method::unary("/test.Repeated/Second", Raw);

type Kept = Arc<Mutex<Vec<Arc<CallContext>>>>;

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
    Ok(Response::new(text.into()))
}

fn start(kept: &Kept) -> Channel {
    let (connector, listener) = tramline::in_process();
    let kept = Arc::clone(kept);
    let server = Server::builder().add_routes(move |routes| {
        routes.unary(FIRST, Arc::clone(&kept), |kept, request| answer(Kept::clone(&kept), "first", request));
        routes.unary(SECOND, kept, |kept, request| answer(Kept::clone(&kept), "second", request));
    });
    server.listen(listener).unwrap().start().unwrap();
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
