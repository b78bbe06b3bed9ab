//! The engine of this library: HTTP/2 with gRPC's meaning beside each field.

use std::sync::Arc;

use tramline_call::field::{FieldReuse, FieldSink, FieldToken, classify, classify_again};
use tramline_h2::hpack::{Classified, Classifier, GroupKey};
use tramline_h2::{Connection, FieldWriter, Indexing};

use crate::server::settings::ServerShared;

/// The engine of one connection.
pub(crate) type Engine = Connection<Fields>;

/// Gives meaning to fields as they enter the HPACK table.
#[derive(Debug)]
pub(crate) struct Fields {
    /// Whose routes paths are looked up in; a client has none.
    server: Option<Arc<ServerShared>>,
}

impl Fields {
    pub(crate) fn of_client() -> Self {
        Fields { server: None }
    }

    pub(crate) fn of_server(server: Arc<ServerShared>) -> Self {
        Fields { server: Some(server) }
    }
}

impl Classifier for Fields {
    type Token = FieldToken;

    fn classify(&self, name: &[u8], value: &[u8]) -> Classified<FieldToken> {
        let (token, keep) = classify(name, value, |path| self.server.as_ref()?.routes.find(path));
        Classified { token, keep }
    }

    fn classify_again(&self, before: FieldToken, name: &[u8], value: &[u8]) -> Classified<FieldToken> {
        let route = |path: &[u8]| self.server.as_ref()?.routes.find(path);
        let (token, keep) = classify_again(before, name, value, route);
        Classified { token, keep }
    }
}

/// Writes a call's fields to the engine.
pub(crate) struct EngineFields<'a, 'w>(pub(crate) &'a mut FieldWriter<'w>);

impl FieldSink for EngineFields<'_, '_> {
    // Where names and values are constants, so is what the encoder derives from them.
    #[inline(always)]
    fn field(&mut self, name: &[u8], value: &[u8], reuse: FieldReuse) {
        let indexing = match reuse {
            FieldReuse::Repeated => Indexing::Incremental,
            FieldReuse::Unique => Indexing::None,
            FieldReuse::Secret => Indexing::Never,
        };
        self.0.field(name, value, indexing);
    }

    #[inline(always)]
    fn group(&mut self, place: usize, kind: u64, texts: [&[u8]; 2], write: impl FnOnce(&mut Self)) {
        let key = GroupKey { place, kind, texts };
        if let Some(group) = self.0.begin_group(&key) {
            write(self);
            self.0.end_group(&key, group);
        }
    }
}
