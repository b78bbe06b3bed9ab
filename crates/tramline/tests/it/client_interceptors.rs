//! Interceptors on a channel: all four kinds, what they see, what they change, and what
//! they answer themselves.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tramline::{
    CallEnd, CallSide, CallStart, Channel, Code, Interceptor, Message, Metadata, Response, Started, Status,
};

use crate::client_calls::{CHAT_METHOD, COUNT_METHOD, ECHO_METHOD, FAIL_METHOD, SLEEP_METHOD, SUM_METHOD, bytes};
use crate::services::{Running, serve};

type Log = Arc<Mutex<Vec<String>>>;

/// Writes down all that it sees, under its name.
struct Scribe {
    name: &'static str,
    log: Log,
    takes_time: bool,
}

impl Scribe {
    async fn write(&self, what: String) {
        if self.takes_time {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.log.lock().unwrap().push(format!("{} {what}", self.name));
    }
}

impl Interceptor for Scribe {
    type Call = String;

    async fn start(&self, call: &mut CallStart<'_>) -> Result<Started<String>, Status> {
        assert_eq!(call.side(), CallSide::Client);
        assert!(call.context().is_none());
        call.metadata_mut().insert("x-in", self.name).unwrap();
        let method = call.method().path().method().to_owned();
        self.write(format!("start {method}")).await;
        Ok(Started::Continue(method))
    }

    async fn request_message(&self, call: &String, message: &mut Message<'_>) -> Result<(), Status> {
        assert_eq!(message.method().path().method(), call);
        self.write(format!("request {:?}", message.octets())).await;
        Ok(())
    }

    fn response_metadata(&self, _call: &String, metadata: &mut Metadata) {
        self.log.lock().unwrap().push(format!("{} head {:?}", self.name, metadata.get("x-head")));
        metadata.insert("x-seen", self.name).unwrap();
    }

    async fn response_message(&self, _call: &String, message: &mut Message<'_>) -> Result<(), Status> {
        self.write(format!("response {:?}", message.octets())).await;
        Ok(())
    }

    async fn end(&self, _call: &String, end: &mut CallEnd) {
        self.write(format!("end {:?}", end.outcome.as_ref().map_err(Status::code))).await;
        end.trailers.insert("x-end", self.name).unwrap();
    }
}

fn scribed(server: &Running, takes_time: bool) -> (Channel, Log) {
    let log = Log::default();
    let scribe = |name| Scribe { name, log: log.clone(), takes_time };
    let channel = Channel::builder(&format!("ipv4:{}", server.address))
        .interceptor(scribe("outer"))
        .interceptor(scribe("inner"))
        .build()
        .unwrap();
    (channel, log)
}

#[tokio::test]
async fn a_unary_call_passes_outside_in_and_inside_out() {
    let server = serve().await;
    for takes_time in [false, true] {
        let (channel, log) = scribed(&server, takes_time);
        let reply = channel.unary(&ECHO_METHOD, bytes("m")).await.unwrap();
        let expected = [
            "outer start Echo",
            "inner start Echo",
            "outer request b\"m\"",
            "inner request b\"m\"",
            "inner head Some(\"inner\")",
            "outer head Some(\"inner\")",
            "inner response b\"m\"",
            "outer response b\"m\"",
            "inner end Ok(())",
            "outer end Ok(())",
        ];
        assert_eq!(*log.lock().unwrap(), expected);
        assert_eq!(reply.metadata().get("x-seen"), Some("outer"));
        assert_eq!(reply.trailers().get("x-end"), Some("outer"));
        assert_eq!(reply.into_inner(), "m");
    }
}

#[tokio::test]
async fn all_kinds_pass() {
    let server = serve().await;
    for takes_time in [false, true] {
        let (channel, log) = scribed(&server, takes_time);
        let of_inner = || -> Vec<String> {
            let log = std::mem::take(&mut *log.lock().unwrap());
            log.into_iter().filter_map(|line| line.strip_prefix("inner ").map(str::to_owned)).collect()
        };

        let mut replies = channel.server_streaming(&COUNT_METHOD, bytes("2 1")).await.unwrap().into_inner();
        while replies.message().await.unwrap().is_some() {}
        assert_eq!(replies.trailers().unwrap().get("x-end"), Some("outer"));
        let expected =
            ["start Count", "request b\"2 1\"", "head None", "response b\"\\0\"", "response b\"\\x01\"", "end Ok(())"];
        assert_eq!(of_inner(), expected);

        let (requests, reply) = channel.client_streaming(&SUM_METHOD).start();
        requests.send(bytes("abc")).await.unwrap();
        requests.send(bytes("de")).await.unwrap();
        requests.finish();
        assert_eq!(reply.await.unwrap().into_inner(), "5");
        let expected =
            ["start Sum", "request b\"abc\"", "request b\"de\"", "head None", "response b\"5\"", "end Ok(())"];
        assert_eq!(of_inner(), expected);

        let (requests, mut replies) = channel.bidi_streaming(&CHAT_METHOD).start();
        requests.send(bytes("x")).await.unwrap();
        assert_eq!(replies.message().await.unwrap().unwrap(), "x");
        requests.send(bytes("fail")).await.unwrap();
        assert_eq!(replies.message().await.unwrap_err().code(), Code::Aborted);
        let expected =
            ["start Chat", "request b\"x\"", "head None", "response b\"x\"", "request b\"fail\"", "end Err(Aborted)"];
        assert_eq!(of_inner(), expected);

        let status = channel.unary(&FAIL_METHOD, bytes("no")).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "no"));
        assert_eq!(of_inner(), ["start Fail", "request b\"no\"", "end Err(NotFound)"]);
    }
}

/// Does what its fields say.
#[derive(Default)]
struct Guard {
    refuses: bool,
    answers: Option<Vec<Bytes>>,
    refuses_requests: bool,
    refuses_responses: bool,
    hangs: bool,
    hangs_on_requests: bool,
    panics_late: bool,
    /// Starts that are under way.
    starting: Arc<()>,
    forgives: bool,
    changes: bool,
}

impl Interceptor for Guard {
    type Call = ();

    async fn start(&self, _call: &mut CallStart<'_>) -> Result<Started<()>, Status> {
        let _starting = Arc::clone(&self.starting);
        if self.hangs {
            std::future::pending::<()>().await;
        }
        if self.panics_late {
            tokio::time::sleep(Duration::from_millis(1)).await;
            panic!("as asked");
        }
        if self.refuses {
            return Err(Status::permission_denied("not you"));
        }
        Ok(match &self.answers {
            None => Started::Continue(()),
            Some(messages) => {
                let mut response = Response::new(messages.clone());
                response.trailers_mut().insert("x-from", "cache").unwrap();
                Started::Reply(response)
            }
        })
    }

    async fn request_message(&self, (): &(), message: &mut Message<'_>) -> Result<(), Status> {
        if self.hangs_on_requests {
            std::future::pending::<()>().await;
        }
        if self.refuses_requests {
            return Err(Status::data_loss("request"));
        }
        if self.changes {
            message.set_octets(bytes("changed"));
        }
        Ok(())
    }

    async fn response_message(&self, (): &(), message: &mut Message<'_>) -> Result<(), Status> {
        if self.refuses_responses {
            return Err(Status::data_loss("response"));
        }
        if self.changes {
            message.set_octets([&message.octets()[..], b" twice"].concat().into());
        }
        Ok(())
    }

    async fn end(&self, (): &(), end: &mut CallEnd) {
        if self.forgives && end.outcome.is_err() {
            end.outcome = Err(Status::out_of_range("another"));
        }
    }
}

fn guarded(server: &Running, guard: Guard) -> Channel {
    Channel::builder(&format!("ipv4:{}", server.address)).interceptor(guard).build().unwrap()
}

#[tokio::test]
async fn an_interceptor_refuses_a_call_before_it_is_made() {
    let server = serve().await;
    let channel = guarded(&server, Guard { refuses: true, ..Guard::default() });
    let status = channel.unary(&ECHO_METHOD, bytes("m")).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "not you"));
    let (requests, mut replies) = channel.bidi_streaming(&CHAT_METHOD).start();
    assert_eq!(requests.send(bytes("m")).await.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(replies.message().await.unwrap_err().code(), Code::PermissionDenied);
    let status = channel.server_streaming(&COUNT_METHOD, bytes("1")).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(server.witness.started.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_interceptor_answers_in_the_servers_place() {
    let server = serve().await;
    let channel = guarded(&server, Guard { answers: Some(vec![bytes("cached")]), ..Guard::default() });
    let reply = channel.unary(&ECHO_METHOD, bytes("m")).await.unwrap();
    assert_eq!(reply.trailers().get("x-from"), Some("cache"));
    assert_eq!(reply.into_inner(), "cached");
    let (_requests, reply) = channel.client_streaming(&SUM_METHOD).start();
    assert_eq!(reply.await.unwrap().into_inner(), "cached");
    let two = Guard { answers: Some(vec![bytes("a"), bytes("b")]), ..Guard::default() };
    let channel = guarded(&server, two);
    let mut replies = channel.server_streaming(&COUNT_METHOD, bytes("1")).await.unwrap().into_inner();
    assert_eq!(replies.message().await.unwrap().unwrap(), "a");
    assert_eq!(replies.message().await.unwrap().unwrap(), "b");
    assert_eq!(replies.message().await.unwrap(), None);
    assert_eq!(channel.unary(&ECHO_METHOD, bytes("m")).await.unwrap_err().code(), Code::Internal);
    assert_eq!(server.witness.started.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn messages_that_do_not_pass_end_their_call() {
    let server = serve().await;
    for (guard, word) in [
        (Guard { refuses_requests: true, ..Guard::default() }, "request"),
        (Guard { refuses_responses: true, ..Guard::default() }, "response"),
    ] {
        let channel = guarded(&server, guard);
        let status = channel.unary(&ECHO_METHOD, bytes("m")).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::DataLoss, word));
        let (requests, mut replies) = channel.bidi_streaming(&CHAT_METHOD).start();
        let sent = requests.send(bytes("m")).await;
        assert_eq!(sent.is_err(), word == "request");
        assert_eq!(replies.message().await.unwrap_err().message(), word);
    }
    server.until_alive(0).await;
}

#[tokio::test]
async fn messages_and_outcomes_can_be_changed() {
    let server = serve().await;
    let channel = guarded(&server, Guard { changes: true, forgives: true, ..Guard::default() });
    let reply = channel.unary(&ECHO_METHOD, bytes("m")).await.unwrap();
    assert_eq!(reply.into_inner(), "changed twice");
    let (requests, mut replies) = channel.bidi_streaming(&CHAT_METHOD).start();
    requests.send(bytes("m")).await.unwrap();
    assert_eq!(replies.message().await.unwrap().unwrap(), "changed twice");
    assert_eq!(channel.unary(&FAIL_METHOD, bytes("m")).await.unwrap_err().code(), Code::OutOfRange);
}

#[tokio::test]
async fn the_deadline_holds_for_interceptors_too_and_calls_can_be_dropped_in_them() {
    let server = serve().await;
    let channel = guarded(&server, Guard { hangs: true, ..Guard::default() });
    let short = Duration::from_millis(50);
    let status = channel.unary(&ECHO_METHOD, bytes("m")).timeout(short).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let (requests, replies) = channel.bidi_streaming(&CHAT_METHOD).timeout(short).start();
    assert_eq!(requests.send(bytes("m")).await.unwrap_err().code(), Code::DeadlineExceeded);
    drop(replies);
    let channel = guarded(&server, Guard { hangs_on_requests: true, ..Guard::default() });
    let called = channel.unary(&ECHO_METHOD, bytes("m")).timeout(short);
    let status = tokio::time::timeout(Duration::from_secs(5), called).await.expect("no deadline").unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let (channel, _log) = scribed(&server, true);
    for _ in 0..20 {
        let mut call = Box::pin(channel.unary(&SLEEP_METHOD, bytes("5000")));
        let _ = tokio::time::timeout(Duration::from_millis(3), &mut call).await;
        drop(channel.bidi_streaming(&CHAT_METHOD).start());
    }
    server.until_alive(0).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.until_alive(0).await;
}

#[tokio::test]
async fn a_long_message_passes_whole() {
    let server = serve().await;
    let (channel, _log) = scribed(&server, false);
    let message = Bytes::from(vec![5; 1_000_000]);
    assert_eq!(channel.unary(&ECHO_METHOD, message.clone()).await.unwrap().into_inner(), message);
}

#[tokio::test]
async fn a_call_that_is_dropped_takes_its_interceptor_along() {
    let server = serve().await;
    let starting = Arc::new(());
    let channel = guarded(&server, Guard { hangs: true, starting: Arc::clone(&starting), ..Guard::default() });
    let mut unary = Box::pin(channel.unary(&ECHO_METHOD, bytes("m")));
    assert!(tokio::time::timeout(Duration::from_millis(10), &mut unary).await.is_err());
    let chat = channel.bidi_streaming(&CHAT_METHOD).start();
    let before = Arc::strong_count(&starting);
    assert_eq!(before, 4, "this one, the guard's, and one for each call");
    drop((unary, chat));
    for _ in 0..100 {
        if Arc::strong_count(&starting) == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the interceptor still waits");
}

#[tokio::test]
async fn an_interceptor_that_panics_ends_its_call() {
    let server = serve().await;
    let channel = guarded(&server, Guard { panics_late: true, ..Guard::default() });
    let limit = Duration::from_secs(5);
    let called = tokio::time::timeout(limit, channel.unary(&ECHO_METHOD, bytes("m"))).await;
    assert_eq!(called.expect("the call hangs").unwrap_err().code(), Code::Internal);
    let (requests, mut replies) = channel.bidi_streaming(&CHAT_METHOD).start();
    let sent = tokio::time::timeout(limit, requests.send(bytes("m"))).await;
    assert_eq!(sent.expect("the request hangs").unwrap_err().code(), Code::Internal);
    assert_eq!(replies.message().await.unwrap_err().code(), Code::Internal);
}

/// Adds a trailer to every end, and takes its time where it is told to.
#[derive(Default)]
struct Annotator {
    hangs_on_messages: bool,
    hangs_at_end: bool,
}

impl Interceptor for Annotator {
    type Call = ();

    async fn start(&self, _call: &mut CallStart<'_>) -> Result<Started<()>, Status> {
        Ok(Started::Continue(()))
    }

    async fn response_message(&self, _call: &(), _message: &mut Message<'_>) -> Result<(), Status> {
        if self.hangs_on_messages {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn end(&self, _call: &(), end: &mut CallEnd) {
        end.trailers.insert("x-noted", "here").unwrap();
        if self.hangs_at_end {
            std::future::pending::<()>().await;
        }
    }
}

fn annotated(server: &Running, annotator: Annotator) -> Channel {
    Channel::builder(&format!("ipv4:{}", server.address)).interceptor(annotator).build().unwrap()
}

#[tokio::test]
async fn trailers_that_an_interceptor_adds_to_a_failure_reach_the_caller() {
    let server = serve().await;
    let channel = annotated(&server, Annotator::default());
    let status = channel.unary(&FAIL_METHOD, bytes("m")).await.unwrap_err();
    assert_eq!(status.metadata().get("x-noted"), Some("here"));
    assert_eq!(status.metadata().get("x-trailer"), Some("late"));
    let reply = channel.unary(&ECHO_METHOD, bytes("m")).await.unwrap();
    assert_eq!(reply.trailers().get("x-noted"), Some("here"));
}

#[tokio::test]
async fn the_deadline_holds_for_hooks_of_the_response() {
    let server = serve().await;
    for (hangs_on_messages, hangs_at_end) in [(true, false), (false, true), (true, true)] {
        let channel = annotated(&server, Annotator { hangs_on_messages, hangs_at_end });
        let limit = Duration::from_secs(5);
        let called = channel.unary(&ECHO_METHOD, bytes("m")).timeout(Duration::from_millis(100));
        let status = tokio::time::timeout(limit, called).await.expect("no deadline").unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{hangs_on_messages} {hangs_at_end}");
        let (requests, mut replies) = channel.bidi_streaming(&CHAT_METHOD).timeout(Duration::from_millis(100)).start();
        requests.send(bytes("m")).await.unwrap();
        drop(requests);
        let ended = async {
            loop {
                match replies.message().await {
                    Ok(Some(_)) => {}
                    end => return end,
                }
            }
        };
        let status = tokio::time::timeout(limit, ended).await.expect("no deadline").unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{hangs_on_messages} {hangs_at_end}");
    }
}
