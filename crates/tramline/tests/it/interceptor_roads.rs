//! Interceptors that look at messages and such as do not: their calls take other roads,
//! and nobody can tell.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tramline::{CallEnd, CallStart, Dispatch, Interceptor, Metadata, Response, Started, Status};
use tramline_h2::Reason;

use crate::raw_client::{Answer, RawClient, envelope};
use crate::services::{CHAT, COUNT, ECHO, FAIL, PANIC, Running, SLEEP, SUM, serve_with};

type Log = Arc<Mutex<Vec<String>>>;
/// Path, fields and message of a call.
type Call = (&'static str, Vec<(&'static str, &'static str)>, &'static [u8]);

/// Does in each hook what a field of the request asks of it, and writes down all but messages.
struct Scout<const SEES_MESSAGES: bool> {
    log: Log,
}

/// What it keeps of a call.
struct Kept {
    log: Log,
    at_end: String,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.log.lock().unwrap().push("gone".to_owned());
    }
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

fn made_up(count: usize) -> Response<Vec<Bytes>> {
    let mut reply = Response::new(vec![Bytes::from_static(b"instead"); count]);
    reply.metadata_mut().insert("x-head", "made up").unwrap();
    reply.trailers_mut().insert("x-trailer", "made up").unwrap();
    reply
}

impl<const SEES_MESSAGES: bool> Scout<SEES_MESSAGES> {
    fn write(&self, what: String) {
        self.log.lock().unwrap().push(what);
    }
}

impl<const SEES_MESSAGES: bool> Interceptor for Scout<SEES_MESSAGES> {
    type Call = Kept;
    const SEES_MESSAGES: bool = SEES_MESSAGES;

    async fn start(&self, call: &mut CallStart<'_>) -> Result<Started<Kept>, Status> {
        let wish = |key: &str| call.metadata().get(key).unwrap_or_default().to_owned();
        let (at_start, at_end) = (wish("x-start"), wish("x-end"));
        self.write(format!("start {} {at_start}", call.method().path()));
        match &at_start[..] {
            "refuse" => return Err(Status::permission_denied("refused")),
            "reply" => return Ok(Started::Reply(made_up(1))),
            "reply twice" => return Ok(Started::Reply(made_up(2))),
            "pause" => pause().await,
            "hang" => std::future::pending().await,
            "panic" => panic!("a panic on purpose"),
            _ => {}
        }
        call.metadata_mut().insert("x-in", "seen").unwrap();
        Ok(Started::Continue(Kept { log: self.log.clone(), at_end }))
    }

    fn response_metadata(&self, _call: &Kept, metadata: &mut Metadata) {
        self.write(format!("head {:?}", metadata.get("x-head")));
        metadata.insert("x-passed", "yes").unwrap();
    }

    async fn end(&self, call: &Kept, end: &mut CallEnd) {
        let outcome = end.outcome.as_ref().map_err(|status| (status.code(), status.message().to_owned()));
        self.write(format!("end {outcome:?} {:?}", end.trailers.get("x-trailer")));
        match &call.at_end[..] {
            "pause" => pause().await,
            "hang" => std::future::pending().await,
            "fail" => end.outcome = Err(Status::data_loss("too late")),
            "forgive" => end.outcome = Ok(()),
            "panic" => panic!("a panic on purpose"),
            _ => {}
        }
        end.trailers.insert("x-ended", "yes").unwrap();
    }
}

const KINDS: [&str; 4] = [ECHO, COUNT, SUM, CHAT];

async fn serve_scout<const SEES_MESSAGES: bool>(dispatch: Dispatch) -> (Running, Log) {
    let log = Log::default();
    let (outer, inner) = (Scout::<SEES_MESSAGES> { log: log.clone() }, Scout::<false> { log: log.clone() });
    let server = serve_with(|mut builder| {
        for path in [ECHO, COUNT, SUM, CHAT, FAIL, PANIC, SLEEP] {
            builder = builder.dispatch(path, dispatch);
        }
        builder.interceptor(outer).interceptor(inner)
    })
    .await;
    (server, log)
}

/// What came of a call, and what the interceptors saw of it.
async fn seen(client: &mut RawClient, log: &Log, (path, fields, message): &Call) -> (Answer, Vec<String>) {
    log.lock().unwrap().clear();
    let stream = client.call(path, fields, message);
    let answer = client.answer(stream).await;
    (answer, log.lock().unwrap().clone())
}

fn calls() -> Vec<Call> {
    let mut calls = Vec::new();
    for path in KINDS {
        for at_start in ["", "refuse", "reply", "reply twice", "pause", "panic"] {
            calls.push((path, vec![("x-start", at_start)], &b"3"[..]));
        }
        for at_end in ["", "pause", "fail", "panic", "forgive"] {
            calls.push((path, vec![("x-end", at_end)], &b"3"[..]));
            calls.push((path, vec![("x-start", "pause"), ("x-end", at_end)], &b"3"[..]));
        }
    }
    for at_end in ["", "forgive", "fail"] {
        calls.push((FAIL, vec![("x-end", at_end)], b"no"));
        calls.push((CHAT, vec![("x-end", at_end)], b"fail"));
    }
    calls.push((FAIL, vec![("x-early", "yes")], b"no"));
    calls.push((PANIC, vec![], b"at once"));
    calls.push((PANIC, vec![], b"late"));
    calls.push((SLEEP, vec![("x-end", "pause")], b"1"));
    calls.push((ECHO, vec![("grpc-timeout", "0n")], b"m"));
    calls
}

async fn compare(dispatch: Dispatch) {
    let (with, log_with) = serve_scout::<true>(dispatch).await;
    let (without, log_without) = serve_scout::<false>(dispatch).await;
    let mut client_with = RawClient::connect(with.address).await;
    let mut client_without = RawClient::connect(without.address).await;
    for call in &calls() {
        let (answer_with, seen_with) = seen(&mut client_with, &log_with, call).await;
        let (answer, seen) = seen(&mut client_without, &log_without, call).await;
        assert_eq!(seen, seen_with, "{call:?}");
        assert_eq!((&answer.head, &answer.trailers), (&answer_with.head, &answer_with.trailers), "{call:?}");
        assert_eq!((answer.data, answer.reset), (answer_with.data, answer_with.reset), "{call:?}");
    }
    without.until_alive(0).await;
}

#[tokio::test]
async fn both_roads_look_alike() {
    compare(Dispatch::Inline).await;
}

#[tokio::test]
async fn both_roads_look_alike_on_tasks_and_threads() {
    compare(Dispatch::Spawn).await;
    compare(Dispatch::Blocking).await;
}

#[tokio::test]
async fn hooks_that_see_no_message_are_called_in_order_and_once() {
    let (server, log) = serve_scout::<false>(Dispatch::Inline).await;
    let mut client = RawClient::connect(server.address).await;
    for (path, trailer) in [(ECHO, "Some(\"seen\")"), (COUNT, "None"), (SUM, "None"), (CHAT, "None")] {
        let (answer, seen) = seen(&mut client, &log, &(path, vec![], b"3")).await;
        let start = format!("start {path} ");
        let (head, end) = (format!("head {trailer}"), format!("end Ok(()) {trailer}"));
        let expected = [&start, &start, &head, &head, &end, &end, "gone", "gone"];
        assert_eq!(seen, expected.map(str::to_owned));
        assert_eq!((answer.status(), answer.head["x-passed"].as_str()), (0, "yes"));
        assert_eq!(answer.trailers["x-ended"], "yes");
    }
    let (answer, seen) = seen(&mut client, &log, &(ECHO, vec![("x-end", "fail")], b"m")).await;
    assert_eq!((answer.status(), answer.messages().len()), (15, 0), "the reply did not go out before the end");
    assert!(seen[5].starts_with("end Err((DataLoss"), "{seen:?}");
    let stream = client.open(CHAT, &[], false);
    client.send(stream, &envelope(b"x"), false);
    client.until(stream, |answer| !answer.data.is_empty()).await;
    client.send(stream, &envelope(b"y"), true);
    assert_eq!(client.answer(stream).await.messages(), [b"x", b"y"]);
}

/// Wherever a call is when its client gives it up: what was kept goes, and nothing ends.
#[tokio::test]
async fn a_call_that_is_cancelled_drops_what_was_kept() {
    for dispatch in [Dispatch::Inline, Dispatch::Spawn] {
        let (server, log) = serve_scout::<false>(dispatch).await;
        let mut client = RawClient::connect(server.address).await;
        let cases = [(SLEEP, ("x-none", "")), (SLEEP, ("x-start", "hang")), (ECHO, ("x-end", "hang"))];
        for (path, field) in cases {
            log.lock().unwrap().clear();
            let stream = client.call(path, &[field], b"60000");
            client.flush().await;
            let has_begun = |len: usize| log.lock().unwrap().len() >= len;
            let begun_len = match field.0 {
                "x-start" => 1,
                "x-end" => 5,
                _ => 2,
            };
            server.until(|_| has_begun(begun_len)).await;
            client.engine().reset(stream, Reason::CANCEL);
            client.flush().await;
            server.until(|_| begun_len == 1 || log.lock().unwrap().ends_with(&["gone".into(), "gone".into()])).await;
            let ends = log.lock().unwrap().iter().filter(|line| line.starts_with("end")).count();
            assert_eq!(ends, usize::from(field.0 == "x-end"), "{field:?}");
        }
        assert_eq!(client.unary(ECHO, b"m").await.messages(), [b"m"], "the place is as good as new");
        server.until_alive(0).await;
    }
}

/// Long messages go past the interceptors as they are.
#[tokio::test]
async fn long_messages_pass() {
    for len in [0, 1, 4095, 4096, 5000, 70_000, 300_000] {
        let message: Vec<u8> = (0..len).map(|n| n as u8).collect();
        let (with, _) = serve_scout::<true>(Dispatch::Inline).await;
        let (without, _) = serve_scout::<false>(Dispatch::Inline).await;
        for server in [with, without] {
            let mut client = RawClient::connect(server.address).await;
            assert_eq!(client.unary(ECHO, &message).await.messages(), [&message[..]]);
        }
    }
}
