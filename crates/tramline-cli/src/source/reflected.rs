//! The schema that a server describes itself by.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use buffa::Message as _;
use buffa_descriptor::DescriptorPool;
use buffa_descriptor::generated::descriptor::{FileDescriptorProto, FileDescriptorSet};
use bytes::Bytes;
use tramline::{Channel, Code, Metadata, Status};
use tramline_services::reflection::ReflectionClient;

use super::{local, named};
use crate::diagnosis;
use crate::dynamic::{MethodName, Schema};
use crate::failure::{Failure, one_line};
use crate::output::visible;

/// Rounds of asking for imports: a bound for a server that makes up ever new ones.
const IMPORT_ROUNDS_MAX: usize = 64;

/// Reflection, with all files that it has given so far.
pub(crate) struct Reflected {
    client: ReflectionClient,
    files: BTreeMap<String, FileDescriptorProto>,
    services: Option<Vec<String>>,
}

impl Reflected {
    pub(crate) fn new(channel: Channel, metadata: Metadata, timeout: Option<Duration>) -> Self {
        let mut client = ReflectionClient::new(channel).metadata(metadata);
        if let Some(timeout) = timeout {
            client = client.timeout(timeout);
        }
        Reflected { client, files: BTreeMap::new(), services: None }
    }

    pub(crate) async fn services(&mut self) -> Result<Vec<String>, Failure> {
        if let Some(services) = &self.services {
            return Ok(services.clone());
        }
        let mut services = self.client.list_services().await.map_err(|status| unreflected(&status))?;
        services.iter_mut().for_each(|service| *service = visible(service));
        services.sort();
        self.services = Some(services.clone());
        Ok(services)
    }

    /// A whole name is asked for at once; for the end of one, the list of services tells.
    pub(crate) async fn of_method(&mut self, name: &MethodName) -> Result<Schema, Failure> {
        if let Some(service) = &name.service
            && service.contains('.')
            && self.add_symbol(service).await?
        {
            return self.schema();
        }
        let services = self.services().await?;
        let services = match &name.service {
            Some(service) => named(&services, service)?,
            None => services,
        };
        self.of_symbols(&services).await
    }

    /// Symbols that the server cannot describe are left out, as long as there are others.
    pub(crate) async fn of_symbols(&mut self, symbols: &[String]) -> Result<Schema, Failure> {
        let mut undescribed = Vec::new();
        for symbol in symbols {
            if !self.add_symbol(symbol).await? {
                undescribed.push(symbol.clone());
            }
        }
        match undescribed.first() {
            Some(symbol) if undescribed.len() == symbols.len() => Err(Failure::with_hint(
                format!("the server lists {symbol}, but cannot describe it"),
                "its reflection service has no descriptors of it; give the schema by --proto or --protoset",
            )),
            _ => self.schema(),
        }
    }

    /// The whole name first; or else all that the services use.
    pub(crate) async fn of_symbol(&mut self, symbol: &str) -> Result<Schema, Failure> {
        let full_name = symbol.replace('/', ".");
        if !self.add_symbol(full_name.trim_start_matches('.')).await? {
            let services = self.services().await?;
            for service in &services {
                self.add_symbol(service).await?;
            }
        }
        self.schema()
    }

    /// What is known, and these types with it.
    pub(crate) async fn with_types(&mut self, types: &[String]) -> Result<Schema, Failure> {
        for name in types {
            self.add_symbol(name).await?;
        }
        self.schema()
    }

    /// Takes in the file of a symbol and what it imports; whether there is one.
    async fn add_symbol(&mut self, symbol: &str) -> Result<bool, Failure> {
        match self.client.file_containing_symbol(symbol).await {
            Ok(files) => {
                self.add_files(files)?;
                self.add_imports().await?;
                Ok(true)
            }
            Err(status) if is_answer(&status) => Ok(false),
            Err(status) => Err(unreflected(&status)),
        }
    }

    fn add_files(&mut self, files: Vec<Bytes>) -> Result<(), Failure> {
        for encoded in files {
            let file = FileDescriptorProto::decode_from_slice(&encoded).map_err(|error| {
                Failure::new(format!("the server sent a file descriptor that cannot be read: {error}"))
            })?;
            self.add_file(file);
        }
        Ok(())
    }

    fn add_file(&mut self, file: FileDescriptorProto) {
        self.files.entry(file.name.clone().unwrap_or_default()).or_insert(file);
    }

    /// Asks for imports that did not come along; protobuf's own files need not come at all.
    async fn add_imports(&mut self) -> Result<(), Failure> {
        let mut asked = HashSet::new();
        for _ in 0..IMPORT_ROUNDS_MAX {
            let imports = self.files.values().flat_map(|file| &file.dependency);
            let missing: Vec<String> =
                imports.filter(|name| !self.files.contains_key(*name) && !asked.contains(*name)).cloned().collect();
            if missing.is_empty() {
                return Ok(());
            }
            for name in missing {
                match self.client.file_by_name(&name).await {
                    Ok(files) => self.add_files(files)?,
                    Err(status) if is_answer(&status) => {
                        local::well_known(&name).into_iter().for_each(|file| self.add_file(file));
                    }
                    Err(status) => return Err(unreflected(&status)),
                }
                asked.insert(name);
            }
        }
        Err(Failure::new("the server's files import more and more others"))
    }

    fn schema(&self) -> Result<Schema, Failure> {
        let set = FileDescriptorSet { file: self.files.values().cloned().collect(), ..Default::default() };
        match DescriptorPool::new(set) {
            Ok(pool) => Ok(Schema::new(pool)),
            Err(error) => Err(Failure::with_hint(
                format!("the schema that the server describes is not sound: {error}"),
                "give the schema by --proto or --protoset",
            )),
        }
    }
}

/// Whether the server answered that it does not know what it was asked for.
fn is_answer(status: &Status) -> bool {
    matches!(status.code(), Code::NotFound | Code::InvalidArgument | Code::Unknown)
}

/// Why nothing could be learnt from the server.
fn unreflected(status: &Status) -> Failure {
    if status.code() == Code::Unimplemented {
        return Failure::with_hint(
            "the server does not describe itself: it has no reflection service",
            "give the schema by --proto FILE or --protoset FILE, or add reflection to the server",
        );
    }
    Failure::hinted(one_line(status), diagnosis::hint(status))
}
