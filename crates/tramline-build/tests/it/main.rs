//! What the generator makes of schemas: its text, its errors, its plugin, and that its code works.

mod calls;
mod compilers;
mod errors;
mod names;
mod plugin;
mod settings;
mod support;

/// Generated code, as a crate that depends on `tramline` includes it.
mod golden {
    pub(crate) mod buffa {
        include!("../golden/buffa/_protos.rs");
    }
    pub(crate) mod prost {
        include!("../golden/prost/_protos.rs");
    }
    pub(crate) mod edition {
        include!("../golden/edition/_protos.rs");
    }
    pub(crate) mod with_settings {
        include!("../golden/settings/_protos.rs");
    }
}
