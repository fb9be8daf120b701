//! What can be wrong with policy rules.

use thiserror::Error;

/// A policy that cannot be loaded. Nothing is guessed: the server must not start with it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// An expression is malformed.
    #[error("reading policy rule '{rule}': {reason}")]
    Rule {
        /// Name of the rule.
        rule: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A line of the policy file is not `"name": "expression"`.
    #[error("reading policy file, line {line}: {reason}")]
    File {
        /// Line number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Rules refer to each other in a circle.
    #[error("resolving policy rule '{0}': it refers to itself")]
    Circle(String),
    /// Rules refer to each other in a chain that is too long.
    #[error("resolving policy rule '{0}': it refers to rules that refer to rules, too many times")]
    Deep(String),
}
