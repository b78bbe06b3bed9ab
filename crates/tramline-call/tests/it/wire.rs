//! Fields as an HTTP engine hands them over, and a sink that keeps what is written.

use tramline_call::field::classify;
use tramline_call::{FieldReuse, FieldSink, FieldToken};

/// A field with its token; its octets are gone if the token says it all.
pub(crate) type Field = (FieldToken, Vec<u8>, Vec<u8>);

/// What the engine makes of fields. `/pkg.Echo/Say` is route 7.
pub(crate) fn classified(fields: &[(&str, &str)]) -> Vec<Field> {
    fields.iter().map(|(name, value)| field(name.as_bytes(), value.as_bytes())).collect()
}

pub(crate) fn field(name: &[u8], value: &[u8]) -> Field {
    let route = |path: &[u8]| (path == b"/pkg.Echo/Say").then_some(7);
    let (token, keep) = classify(name, value, route);
    if keep { (token, name.to_vec(), value.to_vec()) } else { (token, Vec::new(), Vec::new()) }
}

/// The fields as readers take them.
pub(crate) fn refs(fields: &[Field]) -> impl Iterator<Item = (FieldToken, &[u8], &[u8])> {
    fields.iter().map(|(token, name, value)| (*token, &name[..], &value[..]))
}

/// Keeps what is written.
#[derive(Default)]
pub(crate) struct Recorder(pub(crate) Vec<(String, String, FieldReuse)>);

impl FieldSink for Recorder {
    fn field(&mut self, name: &[u8], value: &[u8], reuse: FieldReuse) {
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).expect("tests write text");
        self.0.push((text(name), text(value), reuse));
    }
}

impl Recorder {
    pub(crate) fn of(write: impl FnOnce(&mut Recorder)) -> Recorder {
        let mut recorder = Recorder::default();
        write(&mut recorder);
        recorder
    }

    /// `name: value` of each field, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.iter().map(|(name, value, _)| format!("{name}: {value}")).collect()
    }

    pub(crate) fn reuse(&self, name: &str) -> Option<FieldReuse> {
        self.0.iter().find(|(own, _, _)| own == name).map(|(_, _, reuse)| *reuse)
    }

    /// What was written, as the other side's engine hands it over.
    pub(crate) fn classified(&self) -> Vec<Field> {
        self.0.iter().map(|(name, value, _)| field(name.as_bytes(), value.as_bytes())).collect()
    }
}
