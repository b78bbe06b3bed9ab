//! `greeter_server`: the trait to implement, and what makes an implementation a service of a server.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::{Kind, Method, Service, allowed_lints, docs};
use crate::{
    config::{Config, ServicePart},
    error::Error,
};

impl Service {
    pub(super) fn server(&self, config: &Config, runtime: &TokenStream) -> Result<TokenStream, Error> {
        let allowed = allowed_lints();
        let Self { server_module: module, name, .. } = self;
        let module_doc = format!(" The server's side of `{}`.", self.full_name);
        let module_attributes = self.attributes(config, ServicePart::ServerModule)?;
        let trait_attributes = self.attributes(config, ServicePart::Trait)?;
        let trait_docs = docs(&self.docs, &format!("The service `{}`.", self.full_name));
        let deprecation = self.deprecation();
        let functions = self.methods.iter().map(|method| method.declaration(runtime));
        let server = self.server_type(config, runtime)?;
        Ok(quote! {
            #[doc = #module_doc]
            #allowed
            #module_attributes
            pub mod #module {
                #trait_docs
                #deprecation
                #trait_attributes
                pub trait #name: ::core::marker::Send + ::core::marker::Sync + 'static {
                    #(#functions)*
                }
                #server
            }
        })
    }

    fn server_type(&self, config: &Config, runtime: &TokenStream) -> Result<TokenStream, Error> {
        let Self { name, constants_module, .. } = self;
        let server = self.type_with("Server");
        let attributes = self.attributes(config, ServicePart::Server)?;
        let parameter = self.parameter();
        let doc = format!(" An implementation of [`{name}`], to be added to a server.");
        let registrations = self.methods.iter().map(|method| method.registration(self, &parameter));
        let routes = if self.methods.is_empty() {
            quote! { _routes }
        } else {
            quote! { routes }
        };
        Ok(quote! {
            #[doc = #doc]
            #attributes
            pub struct #server<#parameter> {
                service: ::std::sync::Arc<#parameter>,
            }
            impl<#parameter: self::#name> #server<#parameter> {
                /// Serves `service`.
                pub fn new(service: #parameter) -> Self {
                    Self::from_arc(::std::sync::Arc::new(service))
                }
                /// Serves a `service` that others hold, too.
                pub fn from_arc(service: ::std::sync::Arc<#parameter>) -> Self {
                    Self { service }
                }
            }
            impl<#parameter> ::core::clone::Clone for #server<#parameter> {
                fn clone(&self) -> Self {
                    Self { service: ::core::clone::Clone::clone(&self.service) }
                }
            }
            impl<#parameter> ::core::fmt::Debug for #server<#parameter> {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    f.debug_struct(::core::stringify!(#server)).finish_non_exhaustive()
                }
            }
            impl<#parameter: self::#name> #runtime::server::Service for #server<#parameter> {
                fn name(&self) -> &'static str {
                    super::#constants_module::NAME
                }
                fn register(self, #routes: &mut #runtime::server::Routes) {
                    #(#registrations)*
                }
            }
        })
    }

    /// The type parameter, which must not hide the trait.
    fn parameter(&self) -> Ident {
        if self.name == "S" { format_ident!("T") } else { format_ident!("S") }
    }
}

impl Method {
    /// The function of the trait.
    fn declaration(&self, runtime: &TokenStream) -> TokenStream {
        let Self { function, request, response, .. } = self;
        let docs = self.docs();
        let deprecation = self.deprecation();
        let request = match self.kind {
            Kind::Unary | Kind::ServerStreaming => quote! { #runtime::Request<#request> },
            Kind::ClientStreaming | Kind::BidiStreaming => quote! { #runtime::Request<#runtime::Streaming<#request>> },
        };
        let (replies, output) = match self.kind {
            Kind::Unary | Kind::ClientStreaming => (None, quote! { #runtime::Response<#response> }),
            Kind::ServerStreaming | Kind::BidiStreaming => {
                (Some(quote! { , replies: #runtime::Replies<#response> }), quote! { () })
            }
        };
        quote! {
            #docs
            #deprecation
            fn #function(&self, request: #request #replies) -> impl ::core::future::Future<
                Output = ::core::result::Result<#output, #runtime::Status>,
            > + ::core::marker::Send;
        }
    }

    /// The call that adds the method to a server's routes.
    fn registration(&self, service: &Service, parameter: &Ident) -> TokenStream {
        let Self { function, constant, .. } = self;
        let Service { name, constants_module, .. } = service;
        let register = self.kind.runtime_name();
        let replies = match self.kind {
            Kind::Unary | Kind::ClientStreaming => None,
            Kind::ServerStreaming | Kind::BidiStreaming => Some(quote! { , replies }),
        };
        let call = quote! { <#parameter as self::#name>::#function(&service, request #replies).await };
        let begun = match self.kind {
            Kind::Unary => quote! { async move { #call } },
            // The block keeps room for what it captures as long as the handler runs, which may
            // be long: that is a pointer, and the box is gone when the handler starts.
            Kind::ClientStreaming | Kind::ServerStreaming | Kind::BidiStreaming => quote! {
                {
                    let arguments = ::std::boxed::Box::new((request #replies ,));
                    async move {
                        let (request #replies ,) = *::core::convert::identity(arguments);
                        #call
                    }
                }
            },
        };
        quote! {
            routes.#register(
                super::#constants_module::#constant,
                ::core::clone::Clone::clone(&self.service),
                |service: ::std::sync::Arc<#parameter>, request #replies| #begun,
            );
        }
    }
}
