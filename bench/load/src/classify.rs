//! The few response fields that decide whether a call went well.

use tramline_h2::hpack::{Classified, Classifier};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Token {
    /// `:status: 200`
    HttpOk,
    /// `grpc-status: 0`
    GrpcOk,
    #[default]
    Other,
}

#[derive(Debug)]
pub(crate) struct ReplyFields;

impl Classifier for ReplyFields {
    type Token = Token;

    fn classify(&self, name: &[u8], value: &[u8]) -> Classified<Token> {
        let token = match (name, value) {
            (b":status", b"200") => Token::HttpOk,
            (b"grpc-status", b"0") => Token::GrpcOk,
            _ => Token::Other,
        };
        Classified { token, keep: token == Token::Other }
    }
}
