//! Answers that say nothing but that all is well, as most do: they are known by their keys.

use tramline_call::{Encoding, FieldToken, Subtype};
use tramline_h2::hpack::{BlockKey, FieldBlock};

/// The last plain head and the last plain trailers of a connection.
#[derive(Default)]
pub(super) struct PlainAnswers {
    head: Option<BlockKey>,
    trailers: Option<BlockKey>,
}

impl PlainAnswers {
    /// Whether a head is the one that is known: it has no metadata, no encoding, and fits every
    /// method. A plain one is known from then on.
    pub(super) fn has_head(&mut self, fields: &FieldBlock<FieldToken>) -> bool {
        has(&mut self.head, fields, FieldToken::ContentType(Subtype::NONE), |token| {
            matches!(token, FieldToken::Status(200) | FieldToken::Encoding(Some(Encoding::Identity)))
                || matches!(token, FieldToken::AcceptEncoding(_) | FieldToken::Ignored)
        })
    }

    /// The same of trailers: the status is OK, and there is nothing beside it.
    pub(super) fn has_trailers(&mut self, fields: &FieldBlock<FieldToken>) -> bool {
        has(&mut self.trailers, fields, FieldToken::GrpcStatus(Some(0)), |_| false)
    }
}

/// Plain sections have a field with the token `essence`, and beside it what `may_be_there`.
fn has(
    known: &mut Option<BlockKey>,
    fields: &FieldBlock<FieldToken>,
    essence: FieldToken,
    may_be_there: impl Fn(FieldToken) -> bool,
) -> bool {
    let key = fields.key();
    if key.is_none() || fields.has_fresh() {
        return false;
    }
    if *known == key {
        return true;
    }
    let has_essence = fields.iter().any(|field| field.token == essence);
    if has_essence && fields.iter().all(|field| field.token == essence || may_be_there(field.token)) {
        *known = key;
    }
    false
}
