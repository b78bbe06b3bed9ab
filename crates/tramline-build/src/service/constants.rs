//! `greeter_service`: the names of a service and of its methods.

use buffa_descriptor::generated::descriptor::method_options::IdempotencyLevel;
use proc_macro2::TokenStream;
use quote::quote;

use super::{Method, Service, allowed_lints};

impl Service {
    pub(super) fn constants(&self, runtime: &TokenStream, codec: &TokenStream) -> TokenStream {
        let allowed = allowed_lints();
        let module = &self.constants_module;
        let module_doc = format!(" The methods of `{}`.", self.full_name);
        let full_name = &self.full_name;
        let methods = self.methods.iter().map(|method| method.constant(runtime, codec));
        quote! {
            #[doc = #module_doc]
            #allowed
            pub mod #module {
                /// The full name of the service.
                pub const NAME: &str = #full_name;
                #(#methods)*
            }
        }
    }
}

impl Method {
    fn constant(&self, runtime: &TokenStream, codec: &TokenStream) -> TokenStream {
        let Self { path, constant, request, response, .. } = self;
        let doc = format!(" `{path}`.");
        let deprecation = self.deprecation();
        let constructor = self.kind.runtime_name();
        let idempotency = match self.idempotency {
            IdempotencyLevel::IDEMPOTENCY_UNKNOWN => None,
            IdempotencyLevel::NO_SIDE_EFFECTS => Some(quote! { NoSideEffects }),
            IdempotencyLevel::IDEMPOTENT => Some(quote! { Idempotent }),
        }
        .map(|level| quote! { .with_idempotency(#runtime::Idempotency::#level) });
        quote! {
            #[doc = #doc]
            #deprecation
            pub const #constant: #runtime::Method<#request, #response, #codec> =
                #runtime::Method::#constructor(#path, #codec) #idempotency;
        }
    }
}
