//! Every API resource and extension as data: attributes, validation, filters, policy hooks, OpenAPI.
