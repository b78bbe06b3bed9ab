//! `greeter_client`: a method per call, each with a builder that is awaited.

use proc_macro2::TokenStream;
use quote::quote;

use super::{Kind, Method, Service, allowed_lints, docs, parse_path};
use crate::{
    config::{Config, ServicePart},
    error::Error,
};

impl Service {
    pub(super) fn client(&self, config: &Config, runtime: &TokenStream) -> Result<TokenStream, Error> {
        let allowed = allowed_lints();
        let codec = parse_path(&config.codec_path())?;
        let module = &self.client_module;
        let client = self.type_with("Client");
        let module_doc = format!(" The client's side of `{}`.", self.full_name);
        let module_attributes = self.attributes(config, ServicePart::ClientModule)?;
        let attributes = self.attributes(config, ServicePart::Client)?;
        let client_docs = docs(&self.docs, &format!("A client of `{}`.", self.full_name));
        let deprecation = self.deprecation();
        let calls = self.methods.iter().map(|method| method.call(self, runtime, &codec));
        Ok(quote! {
            #[doc = #module_doc]
            #allowed
            #module_attributes
            pub mod #module {
                #client_docs
                #deprecation
                #[derive(::core::clone::Clone)]
                #attributes
                pub struct #client {
                    channel: #runtime::Channel,
                }
                impl #client {
                    /// A client that calls over `channel`.
                    pub fn new(channel: #runtime::Channel) -> Self {
                        Self { channel }
                    }
                    #(#calls)*
                }
                impl ::core::fmt::Debug for #client {
                    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                        f.debug_struct(::core::stringify!(#client)).finish_non_exhaustive()
                    }
                }
            }
        })
    }
}

impl Method {
    fn call(&self, service: &Service, runtime: &TokenStream, codec: &TokenStream) -> TokenStream {
        let Self { function, constant, request, response, .. } = self;
        let constants_module = &service.constants_module;
        let docs = self.docs();
        let deprecation = self.deprecation();
        let start = self.kind.runtime_name();
        let builder = match self.kind {
            Kind::Unary => quote! { UnaryCall },
            Kind::ClientStreaming => quote! { ClientStreamingCall },
            Kind::ServerStreaming => quote! { ServerStreamingCall },
            Kind::BidiStreaming => quote! { BidiCall },
        };
        let (parameter, argument) = match self.kind {
            Kind::Unary | Kind::ServerStreaming => (
                Some(quote! { , request: impl ::core::convert::Into<#runtime::Request<#request>> }),
                Some(quote! { , ::core::convert::Into::into(request) }),
            ),
            Kind::ClientStreaming | Kind::BidiStreaming => (None, None),
        };
        quote! {
            #docs
            #deprecation
            pub fn #function(&self #parameter) -> #runtime::client::#builder<#request, #response, #codec> {
                self.channel.#start(&super::#constants_module::#constant #argument)
            }
        }
    }
}
