//! What the checks of a policy answer.

use neutrino_db::DbError;
use neutrino_types::ApiError;

/// Whether a change of a policy may be made.
pub(super) type Verdict = Result<(), Veto>;

/// Why a change of a policy is not made.
#[derive(Debug)]
pub(super) enum Veto {
    /// The rules are against it: the text the user reads.
    Refused(String),
    /// The rules could not be looked at.
    Failed(DbError),
}

impl From<DbError> for Veto {
    fn from(error: DbError) -> Self {
        Self::Failed(error)
    }
}

impl Veto {
    /// A refusal by the rule Neutron calls `rule`, as its callback registry words it.
    pub(super) fn by(rule: &str, reason: &ApiError) -> Self {
        Self::Refused(format!("Callback {rule} failed with \"{}\"", reason.message))
    }

    /// The error the user sees; `refused` makes it from the text of a refusal.
    pub(super) fn into_error(self, refused: impl FnOnce(String) -> ApiError) -> ApiError {
        match self {
            Self::Refused(text) => refused(text),
            Self::Failed(error) => error.into(),
        }
    }
}
