//! How the errors of several subscribers become the one error the user sees.

use neutrino_types::ApiError;

/// The class of a [`veto`].
pub const VETO: &str = "CallbackFailure";

/// A refusal with `reason`, answered as 409 ([`VETO`]).
#[must_use]
pub fn veto(reason: impl Into<String>) -> ApiError {
    ApiError::conflict(VETO, reason)
}

/// Merges the errors of one event.
///
/// One error stays as it is. Several with the same code keep the code and join their messages by
/// newlines; mixed codes become 409 `Conflict` with one `HTTP <code> <type>: <message>` line each.
/// A retriable error wins over all others, since the operation will run again anyway.
pub(crate) fn merge(mut errors: Vec<ApiError>) -> Option<ApiError> {
    if let Some(at) = errors.iter().position(|e| e.retriable) {
        return Some(errors.swap_remove(at));
    }
    if errors.len() <= 1 {
        return errors.pop();
    }
    let status = errors[0].status;
    if errors.iter().all(|e| e.status == status) {
        let kind = errors[0].kind;
        let same_kind = errors.iter().all(|e| e.kind == kind);
        let message = join(errors.iter().map(|e| e.message.clone()));
        return Some(ApiError::new(
            if same_kind { kind } else { "MultipleExceptions" },
            status,
            message,
        ));
    }
    let lines = errors.iter().map(|e| format!("HTTP {} {}: {}", e.status, e.kind, e.message));
    Some(ApiError::conflict("Conflict", join(lines)))
}

fn join(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_codes_join_their_messages() {
        let merged = merge(vec![veto("a is in use"), veto("b is in use")]).expect("an error");
        assert_eq!((merged.status, merged.kind), (409, "CallbackFailure"));
        assert_eq!(merged.message, "a is in use\nb is in use");
    }

    #[test]
    fn mixed_codes_become_a_conflict_that_names_them() {
        let merged = merge(vec![veto("in use"), ApiError::bad_request("InvalidInput", "bad")])
            .expect("an error");
        assert_eq!((merged.status, merged.kind), (409, "Conflict"));
        assert_eq!(merged.message, "HTTP 409 CallbackFailure: in use\nHTTP 400 InvalidInput: bad");
    }

    #[test]
    fn a_retriable_error_wins() {
        let merged = merge(vec![veto("in use"), ApiError::conflict("Busy", "again").retriable()])
            .expect("an error");
        assert!(merged.retriable);
        assert!(merge(Vec::new()).is_none());
    }
}
