//! Whose certificates a function trusts: Amazon Trust Services' five roots, to which every AWS endpoint chains ("How to
//! Prepare for AWS's Move to Its Own Certificate Authority", AWS Security Blog; amazontrust.com/repository). A system's
//! bundle has 140 more, and reading them was most of what a function did before it asked for work (docs/benchmarks.md,
//! "Starts").
//!
//! They expire from 31 December 2037 on, and Amazon may use others before that: `WEIR_TRUSTED_ROOTS=system` selects the
//! system's instead, without a rebuild.

use crate::config::{ConfigError, Environment};
use aws_smithy_http_client::tls::{TlsContext, TrustStore};

/// Amazon Root CA 1 to 4, Starfield Services Root Certificate Authority - G2.
const AMAZON_TRUST_SERVICES: &str = include_str!("amazon_trust_services.pem");
/// Prefixes of the regions of partition `aws` ("AWS Regions", AWS Account Management). Other partitions may have their
/// own roots, and so may future ones.
const REGIONS: [&str; 10] = ["af-", "ap-", "ca-", "eu-", "il-", "me-", "mx-", "sa-", "us-east-", "us-west-"];
/// A region of another partition with such a prefix.
const NO_REGION: &str = "eu-isoe-";

/// Whom to trust: `amazon`, the default, or `system`.
const TRUSTED_ROOTS: &str = "WEIR_TRUSTED_ROOTS";

/// The roots for AWS endpoints in `region` or for that URL; `None` means the system's: the operator says so
/// (`WEIR_TRUSTED_ROOTS`, `SSL_CERT_FILE`, `SSL_CERT_DIR`), the endpoint is not AWS's, or its partition has other
/// roots.
///
/// # Errors
/// [`ConfigError::Wrong`] if `WEIR_TRUSTED_ROOTS` is neither.
pub(super) fn amazon(
    environment: &impl Environment,
    region: &str,
    endpoint_url: Option<&str>,
) -> Result<Option<TlsContext>, ConfigError> {
    let variable = |name| environment.variable(name).filter(|value| !value.is_empty());
    let system = match variable(TRUSTED_ROOTS).as_deref() {
        None | Some("amazon") => ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().any(|name| variable(name).is_some()),
        Some("system") => true,
        Some(found) => {
            let (name, found) = (TRUSTED_ROOTS, found.to_owned());
            return Err(ConfigError::Wrong { name, found, expected: "amazon or system" });
        }
    };
    let foreign = endpoint_url.is_some_and(|url| url.starts_with("https://"));
    let known = REGIONS.iter().any(|begin| region.starts_with(begin)) && !region.starts_with(NO_REGION);
    if system || foreign || !known {
        return Ok(None);
    }
    let roots = TrustStore::empty().with_pem_certificate(AMAZON_TRUST_SERVICES);
    Ok(TlsContext::builder().with_trust_store(roots).build().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};
    use std::collections::BTreeMap;

    /// As published ("Amazon Trust Services Repository", Root CAs, SHA-256 fingerprints).
    const FINGERPRINTS: [&str; 5] = [
        "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
        "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
        "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
        "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
        "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
    ];

    #[test]
    fn the_roots_are_those_that_are_published() {
        let fingerprint = |pem: &str| {
            let base64: String = pem.split("-----END").next().unwrap_or_default().split_whitespace().collect();
            let hash = Sha256::digest(STANDARD.decode(base64).expect("base64"));
            hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let found: Vec<String> =
            AMAZON_TRUST_SERVICES.split("-----BEGIN CERTIFICATE-----").skip(1).map(fingerprint).collect();
        assert_eq!(found, FINGERPRINTS);
    }

    #[test]
    fn where_somebody_else_is_in_between_the_system_decides() {
        let amazon = |variables: &[(&str, &str)], region: &str, endpoint_url: Option<&str>| {
            let environment: BTreeMap<&str, &str> = variables.iter().copied().collect();
            amazon(&environment, region, endpoint_url).map(|roots| roots.is_some())
        };
        assert_eq!(amazon(&[], "eu-central-1", None), Ok(true));
        assert_eq!(amazon(&[("SSL_CERT_FILE", "")], "eu-central-1", None), Ok(true), "empty is not set");
        assert_eq!(amazon(&[], "us-east-1", Some("http://127.0.0.1:4566")), Ok(true), "nothing to trust there");
        assert_eq!(amazon(&[], "us-east-1", Some("https://localhost:4566")), Ok(false));
        for region in ["cn-north-1", "us-gov-west-1", "us-iso-east-1", "eu-isoe-west-1", "eusc-de-east-1", "moon-1"] {
            assert_eq!(amazon(&[], region, None), Ok(false), "{region}");
        }
        assert_eq!(amazon(&[("SSL_CERT_FILE", "/etc/own.pem")], "us-east-1", None), Ok(false));
        assert_eq!(amazon(&[(TRUSTED_ROOTS, "system")], "us-east-1", None), Ok(false));
        assert!(amazon(&[(TRUSTED_ROOTS, "mine")], "us-east-1", None).is_err());
    }
}
