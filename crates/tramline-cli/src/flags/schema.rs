//! Flags about where the schema comes from.

use std::path::PathBuf;

use super::{Command, Flag};

const CLIENTS: &[Command] = Command::CLIENTS;

pub(super) const FLAGS: &[Flag] = &[PROTO, IMPORT_PATH, PROTOSET];

const PROTO: Flag = Flag {
    long: "proto",
    short: None,
    value: Some("FILE"),
    commands: CLIENTS,
    summary: "take the schema from this .proto file, not from the server (repeatable)",
    details: "",
    apply: |options, value| {
        options.proto_files.push(PathBuf::from(value));
        Ok(())
    },
};

const IMPORT_PATH: Flag = Flag {
    long: "import-path",
    short: Some('I'),
    value: Some("FOLDER"),
    commands: CLIENTS,
    summary: "look here for what --proto imports (repeatable; default: the folder of the file)",
    details: "",
    apply: |options, value| {
        options.import_paths.push(PathBuf::from(value));
        Ok(())
    },
};

const PROTOSET: Flag = Flag {
    long: "protoset",
    short: None,
    value: Some("FILE"),
    commands: CLIENTS,
    summary: "take the schema from this FileDescriptorSet, as protoc -o writes it (repeatable)",
    details: "",
    apply: |options, value| {
        options.protoset_files.push(PathBuf::from(value));
        Ok(())
    },
};

#[cfg(test)]
mod tests {
    use super::super::options;

    #[test]
    fn sources() {
        let options =
            options("ls", &["--proto", "a.proto", "--proto=b.proto", "-I", "x", "-Iy", "--protoset", "c.bin"]);
        let options = options.expect("parses");
        assert_eq!(options.proto_files.len(), 2);
        assert_eq!(options.import_paths, ["x", "y"].map(std::path::PathBuf::from));
        assert_eq!(options.protoset_files.len(), 1);
    }
}
