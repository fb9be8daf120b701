//! One option: where it stands, its type, default and help.

use std::marker::PhantomData;

use crate::{Conf, ConfError, OptValue, key};

/// An option of type `T`, defined once as a constant in [`crate::opts`].
#[derive(Debug)]
pub struct Opt<T> {
    pub(crate) group: &'static str,
    pub(crate) name: &'static str,
    default: Option<&'static str>,
    help: &'static str,
    deprecated: &'static [(&'static str, &'static str)],
    choices: &'static [&'static str],
    range: Option<(i64, i64)>,
    value: PhantomData<fn() -> T>,
}

impl<T: OptValue> Opt<T> {
    /// An option without default (only for `Option<_>`, lists and maps, whose empty value it is).
    #[must_use]
    pub const fn new(group: &'static str, name: &'static str, help: &'static str) -> Self {
        Self {
            group,
            name,
            default: None,
            help,
            deprecated: &[],
            choices: &[],
            range: None,
            value: PhantomData,
        }
    }

    /// The default, in the text form of the file.
    #[must_use]
    pub const fn default(mut self, text: &'static str) -> Self {
        self.default = Some(text);
        self
    }

    /// Older names, `(group, name)`, accepted in files; an empty group is the option's own.
    #[must_use]
    pub const fn deprecated(mut self, names: &'static [(&'static str, &'static str)]) -> Self {
        self.deprecated = names;
        self
    }

    /// The only texts accepted.
    #[must_use]
    pub const fn choices(mut self, choices: &'static [&'static str]) -> Self {
        self.choices = choices;
        self
    }

    /// Smallest and largest integer accepted.
    #[must_use]
    pub const fn range(mut self, min: i64, max: i64) -> Self {
        self.range = Some((min, max));
        self
    }

    pub(crate) fn default_value(&self) -> T {
        T::from_text(self.default).unwrap_or_else(|e| {
            // Every default is read by a test, so this cannot be reached.
            unreachable!("default of [{}] {}: {e}", self.group, self.name)
        })
    }

    pub(crate) fn read(&self, conf: &Conf) -> Result<T, ConfError> {
        self.read_in(conf, self.group)
    }

    /// The value under this option's names in another group than its own.
    pub(crate) fn read_in(&self, conf: &Conf, group: &str) -> Result<T, ConfError> {
        let older = self.deprecated.iter().map(|(g, n)| (if g.is_empty() { group } else { g }, *n));
        let names: Vec<_> = std::iter::once((group, self.name)).chain(older).collect();
        let configured = if T::MULTI {
            Some(conf.all_values(&names)).filter(|all| !all.is_empty())
        } else {
            conf.last_values(&names)
        };
        let texts = match configured {
            // As in oslo.config, a number that is left blank is not set.
            Some(texts) if T::BLANK_IS_UNSET && texts.iter().all(|t| t.trim().is_empty()) => None,
            texts => texts,
        };
        // A default may refer to another option, e.g. $state_path.
        let texts = texts.or_else(|| {
            let refers = self.default.filter(|d| d.contains('$'));
            refers.map(|default| vec![conf.expand(group, default)])
        });
        let Some(texts) = texts else { return Ok(self.default_value()) };
        let text = texts.last().cloned().unwrap_or_default();
        let fail = |problem: String| ConfError::Value {
            group: group.to_string(),
            name: self.name.to_string(),
            value: text.clone(),
            problem,
        };
        if !self.choices.is_empty() && !self.choices.contains(&text.as_str()) {
            return Err(fail(format!("expected one of {}", self.choices.join(", "))));
        }
        if let Some((min, max)) = self.range
            && let Ok(number) = text.parse::<i64>()
            && !(min..=max).contains(&number)
        {
            return Err(fail(format!("expected a number from {min} to {max}")));
        }
        T::from_texts(&texts).map_err(|e| fail(e.0))
    }
}

/// An option without its type, for checks, samples and look-ups over all options.
pub trait AnyOpt: Sync {
    /// Group as written in samples.
    fn group(&self) -> &'static str;
    /// Name.
    fn name(&self) -> &'static str;
    /// What it does.
    fn help(&self) -> &'static str;
    /// Default in text form.
    fn default_text(&self) -> Option<&'static str>;
    /// Whether `group`/`name` is this option under its name or an older one.
    fn answers_to(&self, group: &str, name: &str) -> bool;
    /// Whether the configured value is of the option's type.
    ///
    /// # Errors
    /// It is not.
    fn check(&self, conf: &Conf) -> Result<(), ConfError>;
}

impl<T: OptValue> AnyOpt for Opt<T> {
    fn group(&self) -> &'static str {
        self.group
    }
    fn name(&self) -> &'static str {
        self.name
    }
    fn help(&self) -> &'static str {
        self.help
    }
    fn default_text(&self) -> Option<&'static str> {
        self.default
    }
    fn answers_to(&self, group: &str, name: &str) -> bool {
        let asked = key(group, name);
        let is = |g, n| key(if str::is_empty(g) { self.group } else { g }, n) == asked;
        is(self.group, self.name) || self.deprecated.iter().any(|(g, n)| is(g, n))
    }
    fn check(&self, conf: &Conf) -> Result<(), ConfError> {
        self.read(conf).map(|_| ())
    }
}
