//! oslo.config-compatible INI files and typed options.
