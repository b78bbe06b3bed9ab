//! Messages by buffa: owned types, unknown fields kept, no views and no serde.

use buffa_codegen::{BytesRepr, CodeGenConfig, CodeGenWarning, MapRepr, context::CodeGenContext, idents};

use super::{MessageCode, MethodTypes};
use crate::{
    config::{Attribute, Config},
    error::{Error, ErrorKind},
    rewrite::{adapt_messages, rewrite_paths},
    schema::Schema,
};

pub(super) fn generate(schema: &Schema, config: &Config) -> Result<MessageCode, Error> {
    refuse_keywords(schema)?;
    let settings = settings(config);
    let (files, warnings) = buffa_codegen::generate_with_diagnostics(&schema.files, &schema.generated, &settings)
        .map_err(|error| Error::new(ErrorKind::Unsupported, format!("buffa: {error}")).with_source(error))?;
    let replacements = replacements(config);
    let packages = files
        .into_iter()
        .map(|file| Ok((file.package, adapt_messages(&file.content, &replacements)?)))
        .collect::<Result<_, Error>>()?;
    let context = CodeGenContext::for_generate(&schema.files, &schema.generated, &settings);
    let types = MethodTypes::resolve(schema, |package, name| {
        // One level down: the modules of a service stand inside the package's.
        let path = context.rust_type_relative(name, package, 1);
        let path = path.ok_or_else(|| Error::schema(format!("the descriptor set has no type `{name}`")))?;
        rewrite_paths(&idents::rust_path_to_tokens(&path).to_string(), &replacements)
    })?;
    let is_news = |warning: &&CodeGenWarning| !matches!(warning, CodeGenWarning::IdiomaticAliasesSuppressed { .. });
    let warnings = warnings.iter().filter(is_news).map(ToString::to_string).collect();
    Ok(MessageCode { packages, types, module: idents::escape_mod_ident, warnings })
}

/// buffa gives a type the name that it has in the schema, which cannot be a keyword.
fn refuse_keywords(schema: &Schema) -> Result<(), Error> {
    for (file, name) in schema.generated_types() {
        let last = name.rsplit('.').next().unwrap_or_default();
        if idents::is_rust_keyword(last) {
            let text = format!(
                "error: {file}: buffa cannot generate the type `{}`, whose name is a keyword of Rust\n = help: rename it, \
                 map it with `.extern_path(..)`, or generate messages by prost",
                name.trim_start_matches('.')
            );
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
    }
    Ok(())
}

fn settings(config: &Config) -> CodeGenConfig {
    let mut settings = CodeGenConfig::default();
    settings.generate_views = false;
    settings.emit_register_fn = false;
    settings.generate_with_setters = false;
    settings.file_per_package = true;
    // As prost names fields, so that changing the library changes no user's code more than it must.
    settings.idiomatic_field_names = true;
    settings.extern_paths.clone_from(&config.extern_paths);
    settings.type_attributes = pairs(&config.type_attributes);
    settings.field_attributes = pairs(&config.field_attributes);
    let everywhere = || ".".to_owned();
    if !config.bytes_as_vec {
        settings.bytes_fields = vec![(everywhere(), BytesRepr::Bytes)];
    }
    if config.btree_map {
        settings.map_fields = vec![(everywhere(), MapRepr::BTreeMap)];
    }
    settings
}

fn pairs(attributes: &[Attribute]) -> Vec<(String, String)> {
    attributes.iter().map(|attribute| (attribute.path.clone(), attribute.text.clone())).collect()
}

/// Crates that buffa's text names, and where the runtime re-exports them.
fn replacements(config: &Config) -> Vec<(&'static str, String)> {
    let library = format!("{}::codec::buffa", config.runtime);
    vec![
        ("buffa_types", format!("{library}::well_known")),
        ("buffa_descriptor", format!("{library}::descriptor")),
        ("buffa", library),
    ]
}
