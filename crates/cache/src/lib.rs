//! The feature store: immutable shards named by feature spec, header index, verification.
