//! Why the plane did not start, as one line each.

use std::net::SocketAddr;
use std::path::PathBuf;

use weir_local_lambda::MappingError;
use weir_local_template::TemplateError;

/// Displays as one line that says what to do. All of these are the caller's to fix, except [`StartError::Engine`].
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The template cannot be read or does not make sense.
    #[error("{0}")]
    Template(#[from] TemplateError),
    /// Something listens on the port already.
    #[error("port {} is in use: stop what listens on {address}, or choose another with --port", address.port())]
    PortInUse {
        /// What was to be bound.
        address: SocketAddr,
    },
    /// The port cannot be bound for another reason.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// What was to be bound.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The data directory cannot be created, written or read back.
    #[error("data directory {}: {reason}", path.display())]
    DataDir {
        /// The directory, or the part of it concerned.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The directory for logs cannot be written.
    #[error("log directory {}: {error}", path.display())]
    LogDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A function's binary was not given, or is no file.
    #[error("function {function}: no bootstrap for binary `{binary}`{}", path.as_ref().map(|path| format!(" at {}", path.display())).unwrap_or_default())]
    Bootstrap {
        /// Logical id.
        function: String,
        /// Name in the template.
        binary: String,
        /// Where it should be, when it was given.
        path: Option<PathBuf>,
    },
    /// A function's code could not be set aside for it.
    #[error("function {function}: its bootstrap can neither be linked nor copied: {error}")]
    Code {
        /// Logical id.
        function: String,
        /// Why.
        error: std::io::Error,
    },
    /// A function's layers could not be laid out as its `/opt`.
    #[error(
        "function {function}: its layers cannot be copied from {directories:?}: {error}; is each ContentUri a directory?"
    )]
    Layers {
        /// Logical id.
        function: String,
        /// Where their content should be.
        directories: Vec<std::path::PathBuf>,
        /// Why.
        error: std::io::Error,
    },
    /// A version or alias that the template asks for could not be made.
    #[error("function {function}: {reason}")]
    Version {
        /// Logical id.
        function: String,
        /// What Lambda would say.
        reason: weir_local_lambda::VersionError,
    },
    /// A resource could not be created, or exists otherwise in the data directory.
    #[error("{resource}: {reason}")]
    Resource {
        /// Logical id.
        resource: String,
        /// What the service said.
        reason: String,
    },
    /// A mapping has a setting that the runner does not honour.
    #[error("{0}")]
    Mapping(#[from] MappingError),
    /// An engine did not start.
    #[error("the {service} engine did not start: {reason}")]
    Engine {
        /// Which.
        service: &'static str,
        /// Why.
        reason: String,
    },
}
