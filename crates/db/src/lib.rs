//! Schema, migrations, list engine and transactions.
