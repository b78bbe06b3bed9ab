//! The server's side.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use tramline::codec::Buffa;
use tramline::server::{Routes, Service};
use tramline::{Code, Method, Replies, Request, Status, Streaming};

use super::ReflectionError;
use super::index::Index;
use crate::proto::grpc_reflection as proto;
use proto::server_reflection_request::MessageRequest;
use proto::server_reflection_response::MessageResponse;
use proto::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse, ServerReflectionRequest,
    ServerReflectionResponse, ServiceResponse,
};

/// `v1alpha` has the messages of `v1`, under another name.
pub(super) const V1ALPHA: Method<ServerReflectionRequest, ServerReflectionResponse, Buffa> =
    Method::bidi_streaming("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Buffa);

/// The reflection service of a server: `grpc.reflection.v1` and `v1alpha` in one.
#[derive(Debug, Clone)]
pub struct Reflection {
    pub(super) answers: Arc<Answers>,
}

impl Reflection {
    /// Begins with nothing but reflection itself.
    #[must_use]
    pub fn builder() -> ReflectionBuilder {
        ReflectionBuilder::default()
    }
}

/// What a [`Reflection`] is made of.
#[derive(Debug, Clone, Default)]
pub struct ReflectionBuilder {
    descriptor_sets: Vec<Bytes>,
    services: Option<Vec<String>>,
}

impl ReflectionBuilder {
    /// Adds an encoded `google.protobuf.FileDescriptorSet`, imports included: the
    /// `FILE_DESCRIPTOR_SET` of a generated module.
    #[must_use]
    pub fn descriptor_set(mut self, descriptor_set: impl Into<Bytes>) -> Self {
        self.descriptor_sets.push(descriptor_set.into());
        self
    }

    /// Lists these services alone. By default all services of the descriptor sets are
    /// listed. What is not listed can be asked for all the same.
    #[must_use]
    pub fn services(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.services = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Puts everything in order.
    ///
    /// # Errors
    /// A descriptor set cannot be read, or two of them have different files of one name.
    pub fn build(self) -> Result<Reflection, ReflectionError> {
        let mut index = Index::default();
        index.add(proto::FILE_DESCRIPTOR_SET)?;
        self.descriptor_sets.iter().try_for_each(|set| index.add(set))?;
        let services = self.services.unwrap_or_else(|| index.services().map(str::to_owned).collect());
        Ok(Reflection { answers: Arc::new(Answers { index, services }) })
    }
}

impl Service for Reflection {
    fn name(&self) -> &'static str {
        proto::server_reflection_service::NAME
    }

    fn register(self, routes: &mut Routes) {
        let v1 = proto::server_reflection_service::SERVER_REFLECTION_INFO;
        for method in [v1, V1ALPHA] {
            routes.bidi_streaming(method, Arc::clone(&self.answers), |answers: Arc<Answers>, questions, replies| async move {
                answers.reply_to_all(questions, replies).await
            });
        }
    }
}

/// What a reflection service knows.
#[derive(Debug)]
pub(super) struct Answers {
    index: Index,
    services: Vec<String>,
}

impl Answers {
    /// Answers each question of a stream in turn.
    pub(super) async fn reply_to_all(
        &self,
        questions: Request<Streaming<ServerReflectionRequest>>,
        replies: Replies<ServerReflectionResponse>,
    ) -> Result<(), Status> {
        let mut questions = questions.into_inner();
        let mut sent = HashSet::new();
        while let Some(question) = questions.message().await? {
            let answer = self.answer(question.message_request.as_ref(), &mut sent);
            let response = ServerReflectionResponse {
                valid_host: question.host.clone(),
                original_request: question.into(),
                message_response: Some(answer),
                ..Default::default()
            };
            replies.send(response).await?;
        }
        Ok(())
    }

    /// What cannot be answered is an answer too: the stream goes on.
    fn answer(&self, question: Option<&MessageRequest>, sent: &mut HashSet<usize>) -> MessageResponse {
        match question {
            Some(MessageRequest::FileByFilename(name)) => {
                self.file(self.index.file_by_name(name), &format!("the file `{name}`"), sent)
            }
            Some(MessageRequest::FileContainingSymbol(symbol)) => {
                self.file(self.index.file_by_symbol(symbol), &format!("the symbol `{symbol}`"), sent)
            }
            Some(MessageRequest::FileContainingExtension(extension)) => {
                let (extendee, number) = (&extension.containing_type, extension.extension_number);
                let file = self.index.file_by_extension(extendee, number);
                self.file(file, &format!("the extension {number} of `{extendee}`"), sent)
            }
            Some(MessageRequest::AllExtensionNumbersOfType(extendee)) => self.extension_numbers(extendee),
            Some(MessageRequest::ListServices(_)) => self.list().into(),
            None => error(Code::InvalidArgument, "the request asks for nothing that is known here".to_owned()),
        }
    }

    fn file(&self, file: Option<usize>, what: &str, sent: &mut HashSet<usize>) -> MessageResponse {
        match file {
            Some(file) => {
                let file_descriptor_proto = self.index.closure(file, sent);
                FileDescriptorResponse { file_descriptor_proto, ..Default::default() }.into()
            }
            None => error(Code::NotFound, format!("{what} is not known here")),
        }
    }

    fn extension_numbers(&self, extendee: &str) -> MessageResponse {
        match self.index.extension_numbers(extendee) {
            Some(extension_number) => {
                let base_type_name = extendee.to_owned();
                ExtensionNumberResponse { base_type_name, extension_number, ..Default::default() }.into()
            }
            None => error(Code::NotFound, format!("the type `{extendee}` is not known here")),
        }
    }

    fn list(&self) -> ListServiceResponse {
        let service = |name: &String| ServiceResponse { name: name.clone(), ..Default::default() };
        ListServiceResponse { service: self.services.iter().map(service).collect(), ..Default::default() }
    }
}

fn error(code: Code, error_message: String) -> MessageResponse {
    ErrorResponse { error_code: code as i32, error_message, ..Default::default() }.into()
}
