//! Pure functions from a host view to desired flows, with diff and lint.
