//! Configuration from environment variables, read once at init: a missing or wrong one stops the function there, by
//! name, and not at record 5,000.

use std::str::FromStr;

/// A variable that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not set, or empty.
    #[error("environment variable {name} is not set; it should be {expected}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// Set to an invalid value.
    #[error("environment variable {name} is {found:?}; it should be {expected}")]
    Wrong {
        /// The variable.
        name: &'static str,
        /// Its value.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
}

/// Where variables come from: the process's environment, or a test's.
pub trait Environment {
    /// The variable's value, if it is set.
    fn variable(&self, name: &str) -> Option<String>;
}

/// The process's environment.
#[derive(Clone, Copy, Debug)]
pub struct Process;

impl Environment for Process {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// A mandatory variable.
///
/// # Errors
/// [`ConfigError::Missing`] if it is not set or empty.
pub fn required(
    environment: &impl Environment,
    name: &'static str,
    expected: &'static str,
) -> Result<String, ConfigError> {
    environment.variable(name).filter(|value| !value.trim().is_empty()).ok_or(ConfigError::Missing { name, expected })
}

/// An optional variable and its default.
///
/// # Errors
/// [`ConfigError::Wrong`] if it does not parse.
pub fn optional<T: FromStr>(
    environment: &impl Environment,
    name: &'static str,
    expected: &'static str,
    otherwise: T,
) -> Result<T, ConfigError> {
    match environment.variable(name) {
        None => Ok(otherwise),
        Some(found) => found.trim().parse().map_err(|_| ConfigError::Wrong { name, found, expected }),
    }
}

/// An optional number and its default.
///
/// # Errors
/// [`ConfigError::Wrong`] if it is not a number, or outside `range`.
pub fn within<T: FromStr + PartialOrd>(
    environment: &impl Environment,
    name: &'static str,
    expected: &'static str,
    range: std::ops::RangeInclusive<T>,
    otherwise: T,
) -> Result<T, ConfigError> {
    let number = optional(environment, name, expected, otherwise)?;
    if range.contains(&number) {
        return Ok(number);
    }
    Err(ConfigError::Wrong { name, found: environment.variable(name).unwrap_or_default(), expected })
}

/// The name of a table or bucket: the most that AWS allows, so that a mistake is reported here.
///
/// # Errors
/// [`ConfigError`] if it is missing, shorter than 3 or longer than 255 characters, or has characters outside
/// `a-zA-Z0-9_.-` ("Naming rules", Amazon DynamoDB Developer Guide).
pub fn resource(
    environment: &impl Environment,
    name: &'static str,
    expected: &'static str,
) -> Result<String, ConfigError> {
    let found = required(environment, name, expected)?;
    let sound =
        (3..=255).contains(&found.len()) && found.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if sound { Ok(found) } else { Err(ConfigError::Wrong { name, found, expected }) }
}

/// The generation of the contributions table that this function works in (`WEIR_GENERATION`, default `live`).
///
/// # Errors
/// [`ConfigError::Wrong`] if it is not 1 to 32 letters, digits or `-`.
pub fn generation(environment: &impl Environment) -> Result<String, ConfigError> {
    let name = "WEIR_GENERATION";
    let found = environment.variable(name).unwrap_or_else(|| "live".to_owned());
    let sound = (1..=32).contains(&found.len()) && found.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if sound { Ok(found) } else { Err(ConfigError::Wrong { name, found, expected: "1 to 32 letters, digits or -" }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    impl Environment for BTreeMap<&str, &str> {
        fn variable(&self, name: &str) -> Option<String> {
            self.get(name).map(|value| (*value).to_owned())
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let environment = BTreeMap::from([
            ("EMPTY", " "),
            ("DAYS", "x"),
            ("MANY", "41"),
            ("TABLE", "a b"),
            ("WEIR_GENERATION", "a#b"),
        ]);
        let check = |error: ConfigError, expect: &str| assert_eq!(error.to_string(), expect);
        check(
            resource(&environment, "EMPTY", "a table").unwrap_err(),
            "environment variable EMPTY is not set; it should be a table",
        );
        check(
            resource(&environment, "TABLE", "a table").unwrap_err(),
            "environment variable TABLE is \"a b\"; it should be a table",
        );
        check(
            optional(&environment, "DAYS", "a number of days", 30).unwrap_err(),
            "environment variable DAYS is \"x\"; it should be a number of days",
        );
        assert_eq!(optional(&environment, "UNSET", "a number", 30), Ok(30));
        assert_eq!(within(&environment, "UNSET", "1 to 40", 1..=40, 30), Ok(30));
        check(
            within(&environment, "MANY", "1 to 40", 1..=40, 30).unwrap_err(),
            "environment variable MANY is \"41\"; it should be 1 to 40",
        );
        assert!(generation(&environment).is_err());
        assert_eq!(generation(&BTreeMap::new()), Ok("live".to_owned()));
    }
}
