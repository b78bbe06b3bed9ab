//! Whatever the public signatures name, a user can name, too.

use bytes::Bytes;
use tramline::codec::{Frame, FrameReader, Limits, Raw, Sink};
use tramline::{Method, MethodKind, Path, PathError, Subtype, Value};

fn dynamic(path: &str) -> Result<Method<Bytes, Bytes, Raw>, PathError> {
    Method::dynamic(path, MethodKind::Unary, Raw)
}

fn parts(path: &Path) -> (&str, &str) {
    (path.service(), path.method())
}

fn text(value: Value<'_>) -> Option<&str> {
    value.as_str()
}

fn reader<'a>(frame: &'a Frame<'a>) -> FrameReader<'a> {
    frame.reader()
}

#[test]
fn types_of_public_signatures_have_names() {
    let method = dynamic("/pkg.Service/Method").unwrap();
    assert_eq!(parts(method.path()), ("pkg.Service", "Method"));
    let error: PathError = dynamic("Service/Method").unwrap_err();
    assert!(!error.to_string().is_empty());
    let subtype: Subtype = method.info().subtype();
    assert_eq!(subtype.as_str(), "proto");
    let mut metadata = tramline::Metadata::new();
    metadata.insert("a", "1").unwrap();
    assert_eq!(metadata.iter().map(|(_, value)| text(value)).collect::<Vec<_>>(), [Some("1")]);
    let frame = Frame::Slice(b"m");
    assert_eq!(bytes::Buf::remaining(&reader(&frame)), 1);
    let mut octets = Vec::new();
    let mut splices = Vec::new();
    Sink::new(&mut octets, &mut splices).put_slice(b"m");
    assert_eq!((octets, Limits::default().message_len_max), (b"m".to_vec(), 4 << 20));
}
