//! Compiles the messages for both libraries, and for serde on prost's structs.

use prost::Message;

const FILES: [&str; 1] = ["messages.proto"];

fn main() -> anyhow::Result<()> {
    let path = schema::write_descriptor_set_of(&FILES)?;
    let set = prost_types::FileDescriptorSet::decode(&*std::fs::read(&path)?)?;
    let prost_dir = std::path::Path::new(&std::env::var("OUT_DIR")?).join("prost");
    std::fs::create_dir_all(&prost_dir)?;
    prost_build::Config::new()
        .btree_map(["."])
        .message_attribute(".", "#[derive(serde::Serialize, serde::Deserialize)]")
        .message_attribute(".", "#[serde(rename_all = \"camelCase\")]")
        .field_attribute("messages.Photo.jpeg", "#[serde(with = \"crate::base64_text\")]")
        .out_dir(prost_dir)
        .compile_fds(set)?;
    buffa_build::Config::new()
        .descriptor_set(path)
        .files(&FILES)
        .includes(&[schema::proto_dir()])
        .include_file("buffa_messages.rs")
        .compile()
        .map_err(|error| anyhow::anyhow!("{error}"))
}
