//! Services as the generator sees them: names, kinds and Rust types, and nothing of any message library.

mod client;
mod constants;
mod server;

use buffa_descriptor::generated::descriptor::{
    FileDescriptorProto, MethodDescriptorProto, ServiceDescriptorProto, method_options::IdempotencyLevel,
};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use crate::{
    comments,
    config::{Config, ServicePart, covers},
    error::Error,
    messages::MethodTypes,
    names::{self, Names},
    schema::FileNames as _,
};

/// The tag numbers of descriptor.proto that lead from a file to a method's comments.
const SERVICE_TAG: i32 = 6;
const METHOD_TAG: i32 = 2;

/// One service.
pub(crate) struct Service {
    /// `greeter.v1.Greeter`.
    full_name: String,
    /// `Greeter`.
    name: Ident,
    client_module: Ident,
    server_module: Ident,
    constants_module: Ident,
    docs: Vec<String>,
    is_deprecated: bool,
    methods: Vec<Method>,
}

/// One method of a service.
struct Method {
    /// `/greeter.v1.Greeter/SayHello`.
    path: String,
    function: Ident,
    constant: Ident,
    kind: Kind,
    idempotency: IdempotencyLevel,
    /// Rust types, as a module inside the package's module names them.
    request: TokenStream,
    response: TokenStream,
    docs: Vec<String>,
    is_deprecated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unary,
    ClientStreaming,
    ServerStreaming,
    BidiStreaming,
}

impl Service {
    /// The services of `file`; `modules` are the module names that its package still has free.
    pub(crate) fn all_of(
        file: &FileDescriptorProto,
        types: &MethodTypes,
        modules: &mut Names,
    ) -> Result<Vec<Self>, Error> {
        let services = file.service.iter().enumerate();
        services.map(|(index, service)| Self::new(file, index, service, types, modules)).collect()
    }

    fn new(
        file: &FileDescriptorProto,
        index: usize,
        descriptor: &ServiceDescriptorProto,
        types: &MethodTypes,
        modules: &mut Names,
    ) -> Result<Self, Error> {
        let proto_name = descriptor.name.as_deref().unwrap_or_default();
        let full_name = match file.package() {
            "" => proto_name.to_owned(),
            package => format!("{package}.{proto_name}"),
        };
        let place = vec![SERVICE_TAG, tag(index)];
        let stem = names::stem(proto_name);
        let mut module = |suffix: &str| names::ident(&modules.claim(format!("{stem}_{suffix}")));
        Ok(Self {
            name: names::ident(&names::type_name(proto_name)),
            client_module: module("client"),
            server_module: module("server"),
            constants_module: module("service"),
            docs: comments::lines(&file.source_code_info, &place),
            is_deprecated: descriptor.options.deprecated.unwrap_or(false),
            methods: Method::all_of(file, &place, descriptor, &full_name, types)?,
            full_name,
        })
    }

    /// The Rust text of the service: constants, and a client and a server as configured.
    pub(crate) fn generate(&self, config: &Config) -> Result<TokenStream, Error> {
        let runtime = parse_path(&config.runtime)?;
        let constants = self.constants(&runtime, &parse_path(&config.codec_path())?);
        let server = config.server.then(|| self.server(config, &runtime)).transpose()?;
        let client = config.client.then(|| self.client(config, &runtime)).transpose()?;
        Ok(quote! { #constants #server #client })
    }

    /// `GreeterClient` or `GreeterServer`.
    fn type_with(&self, suffix: &str) -> Ident {
        let name = self.name.to_string();
        // With something behind it, no name is a keyword.
        format_ident!("{}{suffix}", name.trim_start_matches("r#").trim_end_matches('_'))
    }

    fn attributes(&self, config: &Config, part: ServicePart) -> Result<TokenStream, Error> {
        let name = format!(".{}", self.full_name);
        let wanted = config.service_attributes.iter().filter(|attribute| attribute.part == part);
        wanted
            .filter(|attribute| covers(&attribute.path, &name))
            .map(|attribute| parse_attribute(&attribute.text))
            .collect()
    }

    fn deprecation(&self) -> Option<TokenStream> {
        self.is_deprecated.then(|| quote! { #[deprecated] })
    }
}

impl Method {
    fn all_of(
        file: &FileDescriptorProto,
        service_place: &[i32],
        service: &ServiceDescriptorProto,
        service_name: &str,
        types: &MethodTypes,
    ) -> Result<Vec<Self>, Error> {
        let (mut functions, mut constants) = (Names::of_methods(), Names::of_constants());
        let mut methods = Vec::with_capacity(service.method.len());
        for (index, descriptor) in service.method.iter().enumerate() {
            let name = descriptor.name.as_deref().unwrap_or_default();
            let rust_type = |name: &Option<String>| types.get(file.package(), name.as_deref().unwrap_or_default());
            methods.push(Self {
                path: format!("/{service_name}/{name}"),
                function: names::ident(&functions.claim(names::function(name))),
                constant: names::ident(&constants.claim(names::constant(name))),
                kind: Kind::of(descriptor),
                idempotency: descriptor.options.idempotency_level.unwrap_or(IdempotencyLevel::IDEMPOTENCY_UNKNOWN),
                request: rust_type(&descriptor.input_type)?,
                response: rust_type(&descriptor.output_type)?,
                docs: comments::lines(&file.source_code_info, &[service_place, &[METHOD_TAG, tag(index)]].concat()),
                is_deprecated: descriptor.options.deprecated.unwrap_or(false),
            });
        }
        Ok(methods)
    }

    fn deprecation(&self) -> Option<TokenStream> {
        self.is_deprecated.then(|| quote! { #[deprecated] })
    }

    fn docs(&self) -> TokenStream {
        docs(&self.docs, &format!("Calls `{}`.", self.path))
    }
}

impl Kind {
    fn of(method: &MethodDescriptorProto) -> Self {
        match (method.client_streaming.unwrap_or(false), method.server_streaming.unwrap_or(false)) {
            (false, false) => Self::Unary,
            (true, false) => Self::ClientStreaming,
            (false, true) => Self::ServerStreaming,
            (true, true) => Self::BidiStreaming,
        }
    }

    /// The name of what the runtime has for the kind: a constructor of `Method`, a registration, a call.
    fn runtime_name(self) -> Ident {
        match self {
            Self::Unary => format_ident!("unary"),
            Self::ClientStreaming => format_ident!("client_streaming"),
            Self::ServerStreaming => format_ident!("server_streaming"),
            Self::BidiStreaming => format_ident!("bidi_streaming"),
        }
    }
}

fn tag(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}

/// `docs` as attributes, or `fallback` where the schema says nothing.
fn docs(lines: &[String], fallback: &str) -> TokenStream {
    if lines.is_empty() {
        let line = format!(" {fallback}");
        return quote! { #[doc = #line] };
    }
    lines.iter().map(|line| quote! { #[doc = #line] }).collect()
}

fn parse_path(path: &str) -> Result<TokenStream, Error> {
    let parsed = syn2::parse_str::<syn2::Path>(path)
        .map_err(|error| Error::config(format!("`{path}` is not a Rust path: {error}")))?;
    Ok(quote! { #parsed })
}

fn parse_attribute(text: &str) -> Result<TokenStream, Error> {
    use syn2::parse::Parser as _;
    let parsed = syn2::Attribute::parse_outer
        .parse_str(text)
        .map_err(|error| Error::config(format!("`{text}` is not an attribute: {error}")))?;
    Ok(quote! { #(#parsed)* })
}

/// Excuses generated code from lints, whatever its crate asks for.
pub(crate) const ALLOWED_LINTS: &str = "#[allow(clippy::all, clippy::pedantic, clippy::nursery, \
    clippy::allow_attributes_without_reason, dead_code, deprecated, missing_docs, rustdoc::all, unreachable_pub, \
    unused_imports, reason = \"generated code\")]";

fn allowed_lints() -> TokenStream {
    ALLOWED_LINTS.parse().unwrap_or_default()
}
