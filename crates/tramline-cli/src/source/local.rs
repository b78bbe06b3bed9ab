//! The schema from files: `.proto` and descriptor sets.

use buffa::Message as _;
use buffa_descriptor::DescriptorPool;
use buffa_descriptor::generated::descriptor::{FileDescriptorProto, FileDescriptorSet};

use crate::connect::read;
use crate::dynamic::Schema;
use crate::failure::Failure;
use crate::flags::{Options, UsageError};

const STANDARD_FILES: [&str; 10] = [
    "google/protobuf/any.proto",
    "google/protobuf/duration.proto",
    "google/protobuf/empty.proto",
    "google/protobuf/field_mask.proto",
    "google/protobuf/struct.proto",
    "google/protobuf/timestamp.proto",
    "google/protobuf/wrappers.proto",
    "google/rpc/code.proto",
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
];

/// The schema of the files that flags name, if they name any.
pub(super) fn schema(options: &Options) -> Result<Option<Schema>, Failure> {
    if options.proto_files.is_empty() && options.protoset_files.is_empty() {
        return match options.import_paths.is_empty() {
            true => Ok(None),
            false => Err(UsageError::new("--import-path needs --proto").into()),
        };
    }
    let mut pool = DescriptorPool::default();
    if !options.proto_files.is_empty() {
        add(&mut pool, &compiled(options)?, "the schema")?;
    }
    for path in &options.protoset_files {
        add(&mut pool, &read(path)?, &path.display().to_string())?;
    }
    Ok(Some(Schema::new(pool)))
}

/// What is wrong with a `.proto` file, its compiler says best.
fn compiled(options: &Options) -> Result<Vec<u8>, Failure> {
    let builder = tramline_build::Builder::new().includes(&options.import_paths);
    builder.descriptor_set(&options.proto_files).map_err(|error| Failure::new(error.to_string()))
}

/// Files may be large: the limits for strangers' messages are lifted.
fn add(pool: &mut DescriptorPool, encoded: &[u8], origin: &str) -> Result<(), Failure> {
    let set: FileDescriptorSet = buffa::DecodeOptions::new()
        .with_element_memory_limit(usize::MAX)
        .decode_from_slice(encoded)
        .map_err(|error| {
            Failure::with_hint(
                format!("{origin} is no FileDescriptorSet: {error}"),
                "protoc --include_imports -o FILE and buf build -o FILE write one",
            )
        })?;
    pool.add_file_descriptor_set(set)
        .map_err(|error| Failure::with_hint(format!("{origin} is not sound: {error}"), "are its imports included?"))
}

/// One of protobuf's own files, which servers do not always send along, and its imports.
pub(super) fn well_known(name: &str) -> Vec<FileDescriptorProto> {
    let encoded = tramline_build::builtin_descriptor_set(name).unwrap_or_default();
    FileDescriptorSet::decode_from_slice(&encoded).unwrap_or_default().file
}

/// The schema with the types that any Any may hold, and servers seldom describe: protobuf's
/// own and google.rpc's.
pub(super) fn with_standard_types(schema: Schema) -> Schema {
    let mut pool = (**schema.pool()).clone();
    for name in STANDARD_FILES {
        let missing = well_known(name)
            .into_iter()
            .filter(|file| file.name.as_deref().is_some_and(|name| pool.file_by_name(name).is_none()));
        let set = FileDescriptorSet { file: missing.collect(), ..Default::default() };
        let mut wider = pool.clone();
        // A schema may have these types in files of other names: its own count.
        if wider.add_file_descriptor_set(set).is_ok() {
            pool = wider;
        }
    }
    Schema::new(pool)
}
