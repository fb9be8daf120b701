//! How the text of an option becomes a typed value, as oslo.config's types do it.

use std::collections::BTreeMap;

/// What a value should have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(pub String);

/// A type an option may have.
pub trait OptValue: Sized {
    /// Whether every value given counts, in whatever file, and not only the last.
    const MULTI: bool = false;
    /// Whether a blank value is none, so that the default holds.
    const BLANK_IS_UNSET: bool = false;

    /// The value of `text`; `None` when the option is not set and has no default.
    ///
    /// # Errors
    /// Text that is not of this type.
    fn from_text(text: Option<&str>) -> Result<Self, ValueError>;

    /// The value of an option given once or several times.
    ///
    /// # Errors
    /// Text that is not of this type.
    fn from_texts(texts: &[String]) -> Result<Self, ValueError> {
        Self::from_text(texts.last().map(String::as_str))
    }
}

/// An option that may be given several times, each time with one value more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Multi(pub Vec<String>);

impl OptValue for Multi {
    const MULTI: bool = true;

    fn from_text(text: Option<&str>) -> Result<Self, ValueError> {
        Ok(Self(text.into_iter().map(str::to_string).collect()))
    }

    fn from_texts(texts: &[String]) -> Result<Self, ValueError> {
        Ok(Self(texts.to_vec()))
    }
}

fn required(text: Option<&str>) -> &str {
    text.unwrap_or("")
}

impl OptValue for String {
    fn from_text(text: Option<&str>) -> Result<Self, ValueError> {
        Ok(required(text).to_string())
    }
}

impl OptValue for bool {
    fn from_text(text: Option<&str>) -> Result<Self, ValueError> {
        match required(text).to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(ValueError("expected a boolean (true or false)".into())),
        }
    }
}

impl OptValue for i64 {
    const BLANK_IS_UNSET: bool = true;

    fn from_text(text: Option<&str>) -> Result<Self, ValueError> {
        required(text).parse().map_err(|_| ValueError("expected an integer".into()))
    }
}

impl OptValue for f64 {
    const BLANK_IS_UNSET: bool = true;

    fn from_text(text: Option<&str>) -> Result<Self, ValueError> {
        let value: Self =
            required(text).parse().map_err(|_| ValueError("expected a number".into()))?;
        if value.is_finite() { Ok(value) } else { Err(ValueError("expected a number".into())) }
    }
}

impl OptValue for Vec<String> {
    fn from_text(text: Option<&str>) -> Result<Self, ValueError> {
        Ok(required(text)
            .split([',', '\n'])
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_string)
            .collect())
    }
}

impl OptValue for BTreeMap<String, String> {
    /// `key:value,key:value`; a value may itself hold colons (oslo's DictOpt).
    fn from_text(text: Option<&str>) -> Result<Self, ValueError> {
        let mut out = Self::new();
        for item in Vec::<String>::from_text(text)? {
            let (key, value) = item.split_once(':').ok_or_else(|| {
                ValueError(format!("expected 'key:value' pairs separated by commas, not '{item}'"))
            })?;
            let (key, value) = (key.trim(), value.trim());
            if key.is_empty() || value.is_empty() {
                return Err(ValueError(format!("a pair has no key or no value: '{item}'")));
            }
            if out.insert(key.to_string(), value.to_string()).is_some() {
                return Err(ValueError(format!("the key '{key}' is given twice")));
            }
        }
        Ok(out)
    }
}

impl<T: OptValue> OptValue for Option<T> {
    fn from_text(text: Option<&str>) -> Result<Self, ValueError> {
        match text {
            None | Some("" | "<None>") => Ok(None),
            given => T::from_text(given).map(Some),
        }
    }
}
