//! Generated clients call generated servers: all four kinds, by both libraries.

use std::time::Duration;

use tramline::{Channel, Code, MethodKind, Replies, Request, Response, Server, Status, Streaming, in_process};

/// The same service, client and tests over the messages of one library.
macro_rules! calls_by {
    ($library:ident, $empty:path, $text:path) => {
        #[allow(clippy::needless_update, reason = "one text for two libraries, of which one keeps unknown fields")]
        mod $library {
            use super::*;
            use crate::golden::$library::{
                calls::v1::{
                    Ask, FILE_DESCRIPTOR_SET, Tell,
                    calls_client::CallsClient,
                    calls_server::{Calls, CallsServer},
                    calls_service,
                },
                parts::v1::{Part, part::Piece},
            };

            /// Answers with what it was asked.
            struct Mirror;

            fn tell(text: impl Into<String>) -> Tell {
                Tell { text: text.into(), ..Default::default() }
            }

            fn ask(text: &str, times: i32) -> Ask {
                Ask { text: text.into(), times, ..Default::default() }
            }

            impl Calls for Mirror {
                async fn unary(&self, request: Request<Ask>) -> Result<Response<Tell>, Status> {
                    match request.get_ref().text.as_str() {
                        "" => Err(Status::invalid_argument("say something")),
                        text => Ok(Response::new(tell(text))),
                    }
                }

                async fn collect(&self, request: Request<Streaming<Ask>>) -> Result<Response<Tell>, Status> {
                    let mut asks = request.into_inner();
                    let mut text = String::new();
                    while let Some(ask) = asks.message().await? {
                        text.push_str(&ask.text);
                    }
                    Ok(Response::new(tell(text)))
                }

                async fn spread(&self, request: Request<Ask>, replies: Replies<Tell>) -> Result<(), Status> {
                    let ask = request.into_inner();
                    for number in 0..ask.times {
                        replies.send(tell(format!("{} {number}", ask.text))).await?;
                    }
                    Ok(())
                }

                async fn echo(&self, request: Request<Streaming<Ask>>, replies: Replies<Tell>) -> Result<(), Status> {
                    let mut asks = request.into_inner();
                    while let Some(ask) = asks.message().await? {
                        replies.send(tell(ask.text)).await?;
                    }
                    Ok(())
                }

                async fn foreign(&self, request: Request<Part>) -> Result<Response<Piece>, Status> {
                    let label = request.get_ref().number.to_string();
                    Ok(Response::new(Piece { label, ..Default::default() }))
                }

                async fn nothing(&self, _request: Request<$empty>) -> Result<Response<$empty>, Status> {
                    Ok(Response::new(Default::default()))
                }

                async fn wrapped(
                    &self,
                    _request: Request<$text>,
                ) -> Result<Response<wrapped::$library::Number>, Status> {
                    Ok(Response::new(wrapped::$library::number(7)))
                }

                async fn old(&self, _request: Request<Ask>) -> Result<Response<Tell>, Status> {
                    Err(Status::unimplemented("nobody calls it any more"))
                }
            }

            /// A client of a server in this process.
            fn client() -> CallsClient {
                let (connector, listener) = in_process();
                let server = Server::builder().add_service(CallsServer::new(Mirror)).listen(listener).unwrap();
                tokio::spawn(server.serve());
                CallsClient::new(Channel::in_process(&connector).unwrap())
            }

            #[tokio::test]
            async fn unary() {
                let client = client();
                let reply = client.unary(ask("hello", 0)).timeout(Duration::from_secs(10)).await.unwrap();
                assert_eq!(reply.get_ref().text, "hello");
                let status = client.unary(ask("", 0)).await.unwrap_err();
                assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "say something"));
            }

            #[tokio::test]
            async fn client_streaming() {
                let (requests, reply) = client().collect().start();
                for text in ["a", "b", "c"] {
                    requests.send(ask(text, 0)).await.unwrap();
                }
                requests.finish();
                assert_eq!(reply.await.unwrap().get_ref().text, "abc");
            }

            #[tokio::test]
            async fn server_streaming() {
                let mut replies = client().spread(ask("n", 3)).await.unwrap().into_inner();
                for number in 0..3 {
                    assert_eq!(replies.message().await.unwrap().unwrap().text, format!("n {number}"));
                }
                assert!(replies.message().await.unwrap().is_none());
            }

            #[tokio::test]
            async fn bidi_streaming() {
                let (requests, mut replies) = client().echo().start();
                for text in ["a", "b"] {
                    requests.send(ask(text, 0)).await.unwrap();
                    assert_eq!(replies.message().await.unwrap().unwrap().text, text);
                }
                requests.finish();
                assert!(replies.message().await.unwrap().is_none());
            }

            #[tokio::test]
            async fn types_of_other_packages_and_of_the_library() {
                let client = client();
                let piece = client.foreign(Part { number: 5, ..Default::default() }).await.unwrap();
                assert_eq!(piece.get_ref().label, "5");
                client.nothing(<$empty>::default()).await.unwrap();
                let number = client.wrapped(<$text>::default()).await.unwrap();
                assert_eq!(wrapped::$library::value(number.get_ref()), 7);
            }

            #[test]
            fn constants_say_what_the_schema_says() {
                use tramline::Idempotency;
                assert_eq!(calls_service::NAME, "calls.v1.Calls");
                assert_eq!(calls_service::UNARY.path().as_str(), "/calls.v1.Calls/Unary");
                assert_eq!(calls_service::COLLECT.kind(), MethodKind::ClientStreaming);
                assert_eq!(calls_service::SPREAD.kind(), MethodKind::ServerStreaming);
                assert_eq!(calls_service::ECHO.kind(), MethodKind::BidiStreaming);
                assert_eq!(calls_service::UNARY.idempotency(), Idempotency::Unknown);
                assert_eq!(calls_service::FOREIGN.idempotency(), Idempotency::NoSideEffects);
                assert_eq!(calls_service::NOTHING.idempotency(), Idempotency::Idempotent);
            }

            #[test]
            fn the_descriptor_set_has_all_that_the_package_needs() {
                let pool = buffa_descriptor::DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
                assert!(pool.service_by_name("calls.v1.Calls").is_some());
                assert!(pool.message_by_name("google.rpc.Status").is_some());
            }
        }
    };
}

calls_by!(
    buffa,
    tramline::codec::buffa::well_known::google::protobuf::Empty,
    tramline::codec::buffa::well_known::google::protobuf::StringValue
);
calls_by!(prost, wrapped::prost::Unit, String);

/// Numbers in a wrapper message, which to prost are the numbers themselves.
mod wrapped {
    pub(super) mod buffa {
        pub(crate) use tramline::codec::buffa::well_known::google::protobuf::Int64Value as Number;

        pub(crate) fn number(value: i64) -> Number {
            Number { value, ..Default::default() }
        }

        pub(crate) fn value(number: &Number) -> i64 {
            number.value
        }
    }

    pub(super) mod prost {
        pub(crate) type Number = i64;
        pub(crate) type Unit = ();

        pub(crate) fn number(value: i64) -> Number {
            value
        }

        pub(crate) fn value(number: &Number) -> i64 {
            *number
        }
    }
}
