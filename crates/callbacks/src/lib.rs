//! The in-process callback registry: BEFORE, PRECOMMIT and AFTER events with veto.
