//! Names that Rust, or the generated code itself, would rather not have.

use tramline::{Request, Response, Status, Streaming};

use crate::golden::{buffa, edition, with_settings};

use buffa::keywords::r#type::{
    Item, Node, ThingClient, match_client::MatchClient, match_server::Match, match_service, thing_client,
    thing_client_::ThingClient as Client, thing_server_::Thing,
};

struct Named;

impl Match for Named {
    async fn r#type(&self, request: Request<Node>) -> Result<Response<Node>, Status> {
        Ok(Response::new(request.into_inner()))
    }
    async fn self_(&self, request: Request<Node>) -> Result<Response<Node>, Status> {
        Ok(Response::new(request.into_inner()))
    }
    async fn new_(&self, request: Request<Node>) -> Result<Response<Node>, Status> {
        Ok(Response::new(request.into_inner()))
    }
    async fn clone_(&self, request: Request<Node>) -> Result<Response<Node>, Status> {
        Ok(Response::new(request.into_inner()))
    }
    async fn name(&self, request: Request<Node>) -> Result<Response<Node>, Status> {
        Ok(Response::new(request.into_inner()))
    }
    async fn get_http_status(&self, request: Request<Node>) -> Result<Response<Node>, Status> {
        Ok(Response::new(request.into_inner()))
    }
    async fn r#await(
        &self,
        _request: Request<Streaming<Node>>,
        _replies: tramline::Replies<Node>,
    ) -> Result<(), Status> {
        Ok(())
    }
    async fn get_item(&self, request: Request<Node>) -> Result<Response<Node>, Status> {
        Ok(Response::new(request.into_inner()))
    }
    async fn get_item_(&self, request: Request<Node>) -> Result<Response<Node>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

impl Thing for Named {
    async fn get(&self, request: Request<Item>) -> Result<Response<ThingClient>, Status> {
        let text = request.into_inner().r#type;
        let request = thing_client::Request { text, ..Default::default() };
        Ok(Response::new(ThingClient { request: request.into(), ..Default::default() }))
    }
}

#[test]
fn a_method_keeps_its_own_name_on_the_wire() {
    assert_eq!(match_service::SELF.path().as_str(), "/keywords.type.Match/self");
    assert_eq!(match_service::NAME, "keywords.type.Match");
    assert_eq!(match_service::NAME_.path().as_str(), "/keywords.type.Match/Name");
    assert_eq!(match_service::GET_ITEM.path().as_str(), "/keywords.type.Match/GetItem");
    assert_eq!(match_service::GET_ITEM_.path().as_str(), "/keywords.type.Match/getItem");
}

/// Segments of a package that Rust has a meaning for, and a service of such a name.
mod segments {
    use tramline::server::Service as _;
    use tramline::{Request, Response, Status};

    use crate::golden::{buffa, prost};

    struct Named;

    impl buffa::keywords::self_::super_::crate_::r#async::self_server::Self_ for Named {
        async fn super_(
            &self,
            request: Request<buffa::keywords::self_::super_::crate_::r#async::Part>,
        ) -> Result<Response<buffa::keywords::r#type::Node>, Status> {
            Ok(Response::new(request.into_inner().node.as_option().cloned().unwrap_or_default()))
        }
    }

    #[test]
    fn segments_that_cannot_be_raw_get_an_underscore() {
        let server = buffa::keywords::self_::super_::crate_::r#async::self_server::SelfServer::new(Named);
        assert_eq!(server.name(), "keywords.self.super.crate.async.Self");
        let path = "/keywords.self.super.crate.async.Self/Super";
        assert_eq!(buffa::keywords::self_::super_::crate_::r#async::self_service::SUPER.path().as_str(), path);
        assert_eq!(prost::keywords::self_::super_::crate_::r#async::self_service::SUPER.path().as_str(), path);
    }
}

#[test]
fn a_client_is_copied_by_clone() {
    fn copied<T: Clone + Send + Sync>() {}
    copied::<MatchClient>();
    copied::<Client>();
}

#[test]
fn fields_are_spelled_as_rust_spells_them() {
    let item = Item {
        r#type: "t".into(),
        self_: "s".into(),
        r#match: "m".into(),
        camel_case: "c".into(),
        ..Default::default()
    };
    assert_eq!(item.camel_case, "c");
}

#[test]
fn files_without_a_package_stand_at_the_root() {
    assert_eq!(buffa::bare_service::GET.path().as_str(), "/Bare/Get");
}

#[test]
fn editions_have_their_presence() {
    let question = edition::edition::Question { text: "why".into(), asked: Some(0), ..Default::default() };
    assert_eq!(question.asked, Some(0));
}

#[test]
fn settings_show_in_the_types() {
    use std::collections::BTreeMap;
    let shape = with_settings::shapes::Shape {
        blob: vec![1],
        counts: BTreeMap::from([("a".to_owned(), 1)]),
        points: vec![buffa::shapes::Point::default()],
        ..Default::default()
    };
    assert_eq!(shape.blob, [1]);
}
