//! Interceptors on a server: all four kinds, what they see, what they change.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tramline::codec::Raw;
use tramline::{
    CallEnd, CallSide, CallStart, Channel, Dispatch, Encoding, Interceptor, Message, Metadata, Method, Request,
    Response, Started, Status, Streaming,
};

use crate::raw_client::{Answer, RawClient, envelope};
use crate::services::{CHAT, COUNT, ECHO, FAIL, SUM, serve_with};

type Log = Arc<Mutex<Vec<String>>>;

/// Writes down all that it sees, under its name.
struct Scribe {
    name: &'static str,
    log: Log,
}

impl Scribe {
    fn write(&self, what: String) {
        self.log.lock().unwrap().push(format!("{} {what}", self.name));
    }
}

impl Interceptor for Scribe {
    type Call = String;

    async fn start(&self, call: &mut CallStart<'_>) -> Result<Started<String>, Status> {
        assert_eq!(call.side(), CallSide::Server);
        assert!(call.context().unwrap().connection().peer().ip().is_some());
        self.write(format!("start {}", call.method().path()));
        tokio::time::sleep(Duration::from_millis(1)).await;
        call.metadata_mut().insert("x-in", self.name).unwrap();
        Ok(Started::Continue(call.method().path().method().to_owned()))
    }

    async fn request_message(&self, call: &String, message: &mut Message<'_>) -> Result<(), Status> {
        assert_eq!(message.method().path().method(), call);
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.write(format!("request {:?}", message.octets()));
        Ok(())
    }

    fn response_metadata(&self, _call: &String, metadata: &mut Metadata) {
        self.write(format!("head {:?}", metadata.get("x-head")));
        metadata.insert("x-seen", self.name).unwrap();
    }

    async fn response_message(&self, _call: &String, message: &mut Message<'_>) -> Result<(), Status> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.write(format!("response {:?}", message.octets()));
        Ok(())
    }

    async fn end(&self, _call: &String, end: &mut CallEnd) {
        self.write(format!("end {:?}", end.outcome.as_ref().map_err(Status::code)));
        end.trailers.insert("x-end", self.name).unwrap();
    }
}

async fn scribed(requests: &[(&str, &[&[u8]])]) -> (Vec<String>, Vec<Answer>) {
    let log = Log::default();
    let (outer, inner) = (Scribe { name: "outer", log: log.clone() }, Scribe { name: "inner", log: log.clone() });
    let server = serve_with(|builder| builder.interceptor(outer).interceptor(inner)).await;
    let mut client = RawClient::connect(server.address).await;
    let mut answers = Vec::new();
    for (path, messages) in requests {
        let stream = client.open(path, &[], messages.is_empty());
        for (n, message) in messages.iter().enumerate() {
            client.send(stream, &envelope(message), n + 1 == messages.len());
        }
        answers.push(client.answer(stream).await);
    }
    let log = log.lock().unwrap().clone();
    (log, answers)
}

#[tokio::test]
async fn a_unary_call_passes_outside_in_and_inside_out() {
    let (log, answers) = scribed(&[(ECHO, &[b"m"])]).await;
    let expected = [
        "outer start /test.Test/Echo",
        "inner start /test.Test/Echo",
        "outer request b\"m\"",
        "inner request b\"m\"",
        "inner head Some(\"inner\")",
        "outer head Some(\"inner\")",
        "inner response b\"m\"",
        "outer response b\"m\"",
        "inner end Ok(())",
        "outer end Ok(())",
    ];
    assert_eq!(log, expected);
    assert_eq!(answers[0].messages(), [b"m"]);
    assert_eq!(answers[0].head["x-seen"], "outer");
    assert_eq!(answers[0].trailers["x-end"], "outer");
    assert_eq!(answers[0].trailers["x-trailer"], "inner");
}

#[tokio::test]
async fn all_kinds_pass() {
    let (log, answers) = scribed(&[
        (COUNT, &[b"2 1"]),
        (SUM, &[b"abc", b"de"]),
        (CHAT, &[b"x", b"y"]),
        (CHAT, &[b"x", b"fail"]),
        (FAIL, &[b"no"]),
    ])
    .await;
    assert_eq!(answers[0].messages(), [[0], [1]]);
    assert_eq!(answers[1].messages(), [b"5"]);
    assert_eq!(answers[2].messages(), [b"x", b"y"]);
    assert_eq!(answers.iter().map(Answer::status).collect::<Vec<_>>(), [0, 0, 0, 10, 5]);
    for answer in &answers[..3] {
        assert_eq!((answer.head["x-seen"].as_str(), answer.trailers["x-end"].as_str()), ("outer", "outer"));
    }
    assert_eq!(answers[3].trailers["x-end"], "outer");
    assert_eq!(answers[4].head["x-end"], "outer");
    let count = |what: &str| log.iter().filter(|line| line.starts_with(what)).count();
    assert_eq!(count("inner request"), 1 + 2 + 2 + 2 + 1);
    assert_eq!(count("inner response"), 2 + 1 + 2 + 1);
    assert_eq!(count("inner head"), 4);
    assert_eq!(count("outer end Ok(())"), 3);
    assert_eq!(count("outer end Err(Aborted)"), 1);
    assert_eq!(count("outer end Err(NotFound)"), 1);
}

/// Does what a field of the request's metadata asks of it.
struct Obedient;

impl Interceptor for Obedient {
    type Call = ();

    async fn start(&self, call: &mut CallStart<'_>) -> Result<Started<()>, Status> {
        match call.metadata().get("x-do") {
            Some("refuse") => Err(Status::permission_denied("refused")),
            Some("reply") => {
                let mut reply = Response::new(vec![Bytes::from_static(b"instead")]);
                reply.metadata_mut().insert("x-head", "made up").unwrap();
                reply.trailers_mut().insert("x-trailer", "made up").unwrap();
                Ok(Started::Reply(reply))
            }
            _ => Ok(Started::Continue(())),
        }
    }

    async fn request_message(&self, _call: &(), message: &mut Message<'_>) -> Result<(), Status> {
        let octets: Bytes = message.decode(Raw)?;
        if octets.starts_with(b"bad") {
            return Err(Status::invalid_argument("bad message"));
        }
        message.encode(Raw, &Bytes::from(octets.to_ascii_uppercase()))
    }

    async fn response_message(&self, _call: &(), message: &mut Message<'_>) -> Result<(), Status> {
        if message.octets().starts_with(b"SECRET") {
            return Err(Status::internal("not for you"));
        }
        message.set_octets([message.octets(), &b"!"[..]].concat().into());
        Ok(())
    }

    async fn end(&self, _call: &(), end: &mut CallEnd) {
        if end.outcome.as_ref().is_err_and(|status| status.message() == "HIDE") {
            end.outcome = Err(Status::unknown("hidden"));
        }
    }
}

#[tokio::test]
async fn interceptors_change_and_answer() {
    let server = serve_with(|builder| builder.interceptor(Obedient)).await;
    let mut client = RawClient::connect(server.address).await;
    assert_eq!(client.unary(ECHO, b"abc").await.messages(), [b"ABC!"]);
    assert_eq!(client.unary(CHAT, b"abc").await.messages(), [b"ABC!"]);
    assert_eq!(client.unary(ECHO, b"bad").await.status(), 3);
    assert_eq!(client.unary(CHAT, b"bad").await.status(), 3);
    assert_eq!(client.unary(ECHO, b"secret").await.status(), 13);
    assert_eq!(client.unary(CHAT, b"secret").await.status(), 13);
    for path in [ECHO, COUNT, SUM, CHAT] {
        let stream = client.call(path, &[("x-do", "refuse")], b"m");
        assert_eq!(client.answer(stream).await.status(), 7, "{path}");
        let stream = client.call(path, &[("x-do", "reply")], b"m");
        let answer = client.answer(stream).await;
        assert_eq!((answer.status(), answer.messages()), (0, vec![b"instead".to_vec()]), "{path}");
        assert_eq!((answer.head["x-head"].as_str(), answer.trailers["x-trailer"].as_str()), ("made up", "made up"));
    }
    let answer = client.unary(FAIL, b"hide").await;
    // FAIL got the message in capitals.
    assert_eq!((answer.status(), answer.message()), (2, "hidden"));
    server.until_alive(0).await;
}

#[tokio::test]
async fn unknown_methods_are_refused_before_interceptors() {
    let (log, answers) = scribed(&[("/test.Test/None", &[b"m"])]).await;
    assert_eq!((log.len(), answers[0].status()), (0, 12));
}

#[tokio::test]
async fn a_fallback_takes_unknown_methods_interceptors_included() {
    let log = Log::default();
    let scribe = Scribe { name: "only", log: log.clone() };
    let settings = |builder: tramline::server::ServerBuilder| {
        builder.interceptor(scribe).fallback(|mut request, replies| async move {
            let path = request.context().unwrap().method().path().to_string();
            replies.send(path.into()).await?;
            while let Some(message) = request.get_mut().message().await? {
                replies.send(message).await?;
            }
            Ok(())
        })
    };
    let server = serve_with(settings).await;
    let mut client = RawClient::connect(server.address).await;
    let answer = client.unary("/other.Service/Method", b"m").await;
    assert_eq!(answer.messages(), [&b"/other.Service/Method"[..], b"m"]);
    for path in ["/other.Service/Method", "/other.Service/Second", "/other.Service/Second", "/other.Service/Method"] {
        assert_eq!(client.unary(path, b"m").await.messages(), [path.as_bytes(), b"m"]);
    }
    assert_eq!(client.unary(ECHO, b"m").await.messages(), [b"m"]);
    assert_eq!(client.unary("/no-method", b"m").await.status(), 12);
    assert_eq!(client.unary("/*/*", b"m").await.messages()[0], b"/*/*");
    assert_eq!(log.lock().unwrap()[0], "only start /other.Service/Method");
}

/// A handler may go on after a message that did not pass; its call has failed all the same.
#[tokio::test]
async fn what_an_interceptor_refuses_no_handler_forgives() {
    const DEAF: Method<Bytes, Bytes, Raw> = Method::bidi_streaming("/test.Test/Deaf", Raw);
    let settings = |builder: tramline::server::ServerBuilder| {
        builder.interceptor(Obedient).add_routes(|routes| {
            routes.bidi_streaming(
                DEAF,
                Arc::new(()),
                |_, mut request: Request<Streaming<Bytes>>, replies| async move {
                    while let Ok(Some(message)) = request.get_mut().message().await {
                        let _ = replies.send(message).await;
                    }
                    Ok(())
                },
            );
        })
    };
    let server = serve_with(settings).await;
    let mut client = RawClient::connect(server.address).await;
    let answers = [client.unary("/test.Test/Deaf", b"bad").await, client.unary("/test.Test/Deaf", b"secret").await];
    assert_eq!(answers.each_ref().map(Answer::status), [3, 13]);
    assert_eq!(client.unary("/test.Test/Deaf", b"good").await.messages(), [b"GOOD!"]);
}

/// Takes what came of metadata, and looks at messages or does not.
struct Taker<const SEES_MESSAGES: bool>;

impl<const SEES_MESSAGES: bool> Interceptor for Taker<SEES_MESSAGES> {
    type Call = ();
    const SEES_MESSAGES: bool = SEES_MESSAGES;

    async fn start(&self, call: &mut CallStart<'_>) -> Result<Started<()>, Status> {
        if call.metadata().get("x-take").is_some() {
            drop(std::mem::take(call.metadata_mut()));
        }
        Ok(Started::Continue(()))
    }
}

/// What an interceptor took away, the handler does not see; what it left alone it does; and how a
/// message came it learns, whoever looked at it before.
#[tokio::test]
async fn a_handler_sees_what_interceptors_left() {
    const SEEN: Method<Bytes, Bytes, Raw> = Method::unary("/test.Test/Seen", Raw);
    let add = |builder: tramline::server::ServerBuilder| {
        builder.add_routes(|routes| {
            routes.unary(SEEN, Arc::new(()), |_, request: Request<Bytes>| async move {
                let text = format!("{:?} {}", request.metadata().get("x-in"), request.was_compressed());
                assert!(!format!("{request:?}").contains("secret") || request.metadata().get("x-in").is_some());
                Ok(Response::new(Bytes::from(text)))
            });
        })
    };
    for dispatch in [Dispatch::Inline, Dispatch::Spawn, Dispatch::Blocking] {
        for sees_messages in [true, false] {
            let server = serve_with(|builder| {
                let builder = builder.dispatch(SEEN.info().path().as_str(), dispatch);
                add(if sees_messages {
                    builder.interceptor(Taker::<true>)
                } else {
                    builder.interceptor(Taker::<false>)
                })
            })
            .await;
            let compressing = Channel::builder(&format!("ipv4:{}", server.address)).compression(Encoding::Gzip);
            let plain = Channel::builder(&format!("ipv4:{}", server.address));
            for (channel, is_compressed) in [(compressing, true), (plain, false)] {
                let channel = channel.build().unwrap();
                for (taken, value) in [(false, "Some(\"secret\")"), (true, "None"), (false, "Some(\"secret\")")] {
                    let mut call = channel.unary(&SEEN, Bytes::from(vec![7; 1000])).metadata("x-in", "secret");
                    if taken {
                        call = call.metadata("x-take", "yes");
                    }
                    let reply = call.await.unwrap().into_inner();
                    assert_eq!(reply, format!("{value} {is_compressed}"), "{dispatch:?} {sees_messages}");
                }
            }
        }
    }
}
