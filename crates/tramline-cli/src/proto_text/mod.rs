//! Definitions as a `.proto` file has them, from descriptors.

mod find;
mod print;

use find::find;

use print::Printer;

use crate::dynamic::Schema;

/// The definition of `full_name` as proto text, its comments with it if the schema has
/// them. Nothing, if there is no such symbol.
pub(crate) fn definition(schema: &Schema, full_name: &str) -> Option<String> {
    let file = schema.pool().file_containing_symbol(full_name)?;
    let (symbol, path) = find(file, full_name)?;
    Some(Printer::new(file).print(&symbol, path))
}

#[cfg(test)]
mod tests {
    use buffa_descriptor::DescriptorPool;

    use super::*;

    fn schema() -> Schema {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proto");
        let mut compiler = protox::Compiler::new([directory]).expect("the folder is there");
        compiler.include_imports(true).include_source_info(true);
        compiler.open_files(["shapes.proto", "calls.proto"]).expect("compiles");
        Schema::new(DescriptorPool::decode(&compiler.encode_file_descriptor_set()).expect("links"))
    }

    #[track_caller]
    fn check(full_name: &str, expected: &str) {
        assert_eq!(definition(&schema(), full_name).as_deref(), Some(expected));
    }

    #[test]
    fn a_service_and_its_methods() {
        check(
            "calls.Calls",
            "// All four kinds.\nservice Calls {\n  // One for one.\n  rpc One(Request) returns (Reply);\n\n  \
             rpc Many(Request) returns (stream Reply);\n\n  rpc Gather(stream Request) returns (Reply) {\n    \
             option deprecated = true;\n  }\n\n  rpc Talk(stream Request) returns (stream shapes.Inner);\n}\n",
        );
        check("calls.Calls.Many", "rpc Many(Request) returns (stream Reply);\n");
    }

    #[test]
    fn a_message_with_everything() {
        check(
            "calls.Request",
            "message Request {\n  // Who asks.\n  optional string name = 1;\n\n  map<string, shapes.Inner> labels = 2;\n\n  \
             oneof choice {\n    int32 number = 3;\n    Kind kind = 4 [deprecated = true];\n  }\n\n  \
             repeated int32 packed = 5;\n\n  reserved 8, 10 to 12;\n  reserved \"old\";\n\n  \
             enum Kind {\n    NONE = 0;\n    SOME = 1;\n  }\n}\n",
        );
        check("calls.Request.Kind", "enum Kind {\n  NONE = 0;\n  SOME = 1;\n}\n");
        check("calls.Request.name", "// Who asks.\noptional string name = 1;\n");
        check("calls.Reply", "message Reply {}\n");
    }

    #[test]
    fn proto2_labels_groups_and_extensions() {
        let all = definition(&schema(), "shapes.All").expect("is there");
        for line in [
            "  optional group Data = 30 {\n    optional int32 x = 1;\n  }\n",
            "  oneof choice {\n    string text = 25;\n",
            "  optional google.protobuf.Any any = 28;\n",
            "  extensions 100 to 199;\n",
            "  map<bool, Color> color_of = 24;\n",
        ] {
            assert!(all.contains(line), "{line}\n{all}");
        }
        assert!(!all.contains("Entry"), "{all}");
        check("shapes.nick", "extend All {\n  optional string nick = 100;\n}\n");
    }

    #[test]
    fn what_is_not_there_is_not_shown() {
        assert_eq!(definition(&schema(), "calls.Nothing"), None);
        assert_eq!(definition(&schema(), ""), None);
    }
}
