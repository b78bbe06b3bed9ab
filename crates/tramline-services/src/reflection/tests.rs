//! Reflection, through a real server and a real client.

use std::sync::Arc;
use std::time::Duration;

use buffa::Message as _;
use buffa_descriptor::generated::descriptor::FileDescriptorProto;
use bytes::Bytes;
use tramline::server::{Routes, ServerHandle, Service};
use tramline::{Channel, Code, Server, Status};

use super::service::{Answers, V1ALPHA};
use super::{Reflection, ReflectionBuilder, ReflectionClient, Version};

fn descriptor_set(file: &str, has_comments: bool) -> Bytes {
    let mut compiler = protox::Compiler::new([concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proto")]).expect("is there");
    compiler.include_imports(true).include_source_info(has_comments).open_file(file).expect("compiles");
    compiler.encode_file_descriptor_set().into()
}

fn zoo() -> ReflectionBuilder {
    Reflection::builder().descriptor_set(descriptor_set("zoo.proto", false))
}

/// The server lives as long as its handle's runtime.
fn serve(service: impl Service + Send + 'static) -> (ServerHandle, ReflectionClient) {
    let server = Server::builder().add_service(service).bind("127.0.0.1:0").expect("binds");
    let address = server.local_addr().expect("has an address").to_string();
    let handle = server.start().expect("starts");
    (handle, ReflectionClient::new(Channel::new(&address).expect("is a target")))
}

fn names(files: Result<Vec<Bytes>, Status>) -> Vec<String> {
    let file = |encoded: Bytes| FileDescriptorProto::decode_from_slice(&encoded).expect("decodes").name;
    let mut names: Vec<String> = files.expect("is known").into_iter().filter_map(file).collect();
    names.sort();
    names
}

#[tokio::test]
async fn services_are_listed_reflection_itself_among_them() {
    let (_server, mut client) = serve(zoo().build().expect("builds"));
    let services = client.list_services().await.expect("lists");
    assert_eq!(services, ["grpc.reflection.v1.ServerReflection", "zoo.Shop", "zoo.Zoo"]);
    assert_eq!(client.version(), Version::V1);
}

#[tokio::test]
async fn a_filter_hides_services_from_the_list_alone() {
    let (_server, mut client) = serve(zoo().services(["zoo.Zoo"]).build().expect("builds"));
    assert_eq!(client.list_services().await.expect("lists"), ["zoo.Zoo"]);
    assert!(client.file_containing_symbol("zoo.Shop").await.is_ok());
}

#[tokio::test]
async fn imports_come_along_once_a_stream() {
    let (_server, mut client) = serve(zoo().build().expect("builds"));
    let first = names(client.file_containing_symbol("zoo.Zoo").await);
    assert_eq!(first, ["base.proto", "google/protobuf/empty.proto", "zoo.proto"]);
    // What is asked for is always sent, what it imports is not sent again.
    assert_eq!(names(client.file_containing_symbol("zoo.Zoo").await), ["zoo.proto"]);
    assert_eq!(names(client.file_by_name("base.proto").await), ["base.proto"]);
}

#[tokio::test]
async fn a_stream_that_ended_while_idle_is_opened_again() {
    let (_server, client) = serve(zoo().build().expect("builds"));
    let mut client = client.timeout(Duration::from_millis(500));
    assert!(client.list_services().await.is_ok());
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(client.list_services().await.expect("lists").len(), 3);
}

#[tokio::test]
async fn every_kind_of_symbol_is_found() {
    let (_server, mut client) = serve(zoo().build().expect("builds"));
    let in_base = [
        "zoo.Animal",
        ".zoo.Animal",
        "zoo.Animal.name",
        "zoo.Animal.home",
        "zoo.Animal.Tag",
        "zoo.Animal.Tag.number",
        "zoo.Animal.Diet",
        "zoo.Animal.Diet.MEAT",
        "zoo.Animal.MEAT",
    ];
    for symbol in in_base {
        assert!(names(client.file_containing_symbol(symbol).await).contains(&"base.proto".to_owned()), "{symbol}");
    }
    for symbol in ["zoo.Zoo", "zoo.Zoo.Feed", "zoo.Shop", "zoo.weight"] {
        assert!(names(client.file_containing_symbol(symbol).await).contains(&"zoo.proto".to_owned()), "{symbol}");
    }
}

#[tokio::test]
async fn extensions_are_found_by_number() {
    let (_server, mut client) = serve(zoo().build().expect("builds"));
    assert_eq!(client.extension_numbers("zoo.Animal").await.expect("is known"), [110, 120]);
    assert!(client.extension_numbers("zoo.Animal.Tag").await.expect("is known").is_empty());
    assert!(names(client.file_containing_extension("zoo.Animal", 120).await).contains(&"zoo.proto".to_owned()));
}

#[tokio::test]
async fn what_is_unknown_is_answered_and_the_stream_goes_on() {
    let (_server, mut client) = serve(zoo().build().expect("builds"));
    let code = |answer: Result<Vec<Bytes>, Status>| answer.expect_err("is unknown").code();
    assert_eq!(code(client.file_containing_symbol("zoo.Gone").await), Code::NotFound);
    assert_eq!(code(client.file_by_name("gone.proto").await), Code::NotFound);
    assert_eq!(code(client.file_containing_extension("zoo.Animal", 199).await), Code::NotFound);
    assert_eq!(client.extension_numbers("zoo.Gone").await.expect_err("is unknown").code(), Code::NotFound);
    // The same stream still remembers what it has sent.
    assert_eq!(names(client.file_by_name("zoo.proto").await).len(), 3);
    assert_eq!(names(client.file_by_name("zoo.proto").await).len(), 1);
}

/// A server of earlier days.
struct OnlyAlpha(Reflection);

impl Service for OnlyAlpha {
    fn name(&self) -> &'static str {
        "grpc.reflection.v1alpha.ServerReflection"
    }

    fn register(self, routes: &mut Routes) {
        let answers = Arc::clone(&self.0.answers);
        routes.bidi_streaming(V1ALPHA, answers, |answers: Arc<Answers>, questions, replies| async move {
            answers.reply_to_all(questions, replies).await
        });
    }
}

#[tokio::test]
async fn an_older_server_is_asked_in_its_version() {
    let (_server, mut client) = serve(OnlyAlpha(zoo().build().expect("builds")));
    assert!(client.list_services().await.expect("lists").contains(&"zoo.Zoo".to_owned()));
    assert_eq!(client.version(), Version::V1Alpha);
    assert!(client.file_containing_symbol("zoo.Zoo").await.is_ok());
}

#[tokio::test]
async fn a_server_without_reflection_says_so() {
    let (_server, mut client) = serve(crate::health::HealthReporter::new().service());
    assert_eq!(client.list_services().await.expect_err("has none").code(), Code::Unimplemented);
}

/// A package that only imports a file has it without comments: whoever comes first, they are
/// shown.
#[tokio::test]
async fn of_two_copies_the_one_with_comments_is_shown() {
    for comments_come_first in [false, true] {
        let set = |has_comments| descriptor_set("base.proto", has_comments);
        let reflection = Reflection::builder().descriptor_set(set(comments_come_first));
        let reflection = reflection.descriptor_set(set(!comments_come_first)).build().expect("is the same");
        let (_server, mut client) = serve(reflection);
        let files = client.file_by_name("base.proto").await.expect("is known");
        let file = FileDescriptorProto::decode_from_slice(&files[0]).expect("decodes");
        assert!(file.source_code_info.is_set(), "{comments_come_first}");
    }
}

#[test]
fn the_same_file_may_come_twice_but_not_two_of_one_name() {
    assert!(zoo().descriptor_set(descriptor_set("base.proto", true)).build().is_ok());
    let other = FileDescriptorProto { name: Some("base.proto".into()), ..Default::default() };
    let set = buffa_descriptor::generated::descriptor::FileDescriptorSet { file: vec![other], ..Default::default() };
    let error = zoo().descriptor_set(set.encode_to_vec()).build().expect_err("contradicts");
    assert!(error.to_string().contains("base.proto"), "{error}");
    assert!(Reflection::builder().descriptor_set(&b"\xff"[..]).build().is_err());
}
